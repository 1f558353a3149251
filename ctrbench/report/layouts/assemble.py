"""From rows and their numbers to a table: what all layouts do alike. Nothing here imports torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain

from ctrbench.report.findings import Findings
from ctrbench.report.grid import Column, Entry, Footnotes, Row, Table, rank
from ctrbench.report.layouts.captions import caption, facts
from ctrbench.report.layouts.cells import ORACLE_LEGEND, bound_row
from ctrbench.report.measures import AUC, Measure

_AUC = re.compile(r"\bAUC\b")


def assembled(
    findings: Findings,
    columns: Sequence[Column],
    rows: Iterable[Row],
    entries: Sequence[Entry],
    *,
    notes: Footnotes | None = None,
    legend: Iterable[str] = (),
    oracle: Sequence[float | None] = (),
    each: int = 1,
    measure: Measure = AUC,
    head: str = "Model",
) -> Table:
    """A table, its best values marked, and below it what its columns and `legend` say.

    `oracle`: by domain, each of which has `each` columns, the first ones; its row comes last, where any is known.
    """
    knowable = any(auc is not None for auc in oracle)
    every = [*rows, *([bound_row("oracle", oracle, each, len(columns))] if knowable else [])]
    rank(columns, every)
    said = dict.fromkeys(chain(legend, *(column.legend for column in columns), [ORACLE_LEGEND] if knowable else []))
    return Table(
        name=findings.table.name,
        title=_titled(findings.table.title, measure),
        facts=facts(findings.plan),
        columns=list(columns),
        rows=every,
        entries=list(entries),
        caption=[*caption(findings), *said],
        footnotes=notes.texts if notes is not None else [],
        head=head,
    )


def _titled(title: str, measure: Measure) -> str:
    """The table's title; where another metric is shown, that one's name takes the place of AUC."""
    if measure is AUC:
        return title
    return _AUC.sub(measure.title, title) if _AUC.search(title) else f"{title}: {measure.title}"
