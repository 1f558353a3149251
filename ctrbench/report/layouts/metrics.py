"""What layouts that take `--metric` do alike: metrics of an export, over how few rows one is, and what is no praise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ctrbench.report.details import reader, rows_of
from ctrbench.report.findings import Findings
from ctrbench.report.grid import Table
from ctrbench.report.measures import AUC, MEASURES, Measure
from ctrbench.report.scores import Read, Score

MARKS = ("best", "second")
_FEW = 0.5
"""The share of a domain's test rows below which a number says over how many it is."""
UNMARKED = "Nothing at or below {chance:g} is marked as best or second: that is no better than guessing."
OF_THE_AUC = "Significance tests and their marks are of the AUC: --metric auc shows them."


def unpraised(table: Table, measure: Measure) -> Table:
    """The table without the marks of values that are no better than guessing, which it then says."""
    guesses = [
        cell for row in table.rows for cell in row.cells if cell.style in MARKS and not measure.praises(cell.value)
    ]
    for cell in guesses:
        cell.style = ""
    if guesses:
        table.caption.append(UNMARKED.format(chance=measure.chance))
    return table


def few_rows(findings: Findings, measure: Measure, domain: str) -> str:
    """`10/250 rows`, to stand below a number that is over less than half of a domain's test rows; else nothing."""
    rows = rows_of(findings, measure.name).get(domain) if measure.part else None
    every = findings.scores.test_rows(domain)
    return "" if rows is None or not every or rows >= _FEW * every else f"{rows:,}/{every:,} rows"


def legend(findings: Findings, measure: Measure, domains: Sequence[str]) -> list[str]:
    """What a metric is, and over how many rows of each domain."""
    lines = [measure.legend] if measure.legend else []
    if measure.part:
        counts = {name: rows for name, rows in rows_of(findings, measure.name).items() if name in domains}
        of = ", ".join(f"{name} {rows:,} of {findings.scores.test_rows(name):,}" for name, rows in counts.items())
        lines += [f"{measure.title}: over test rows of {of}."] if of else []
    return lines


def beside_the_auc(findings: Findings, domain: str, score: Callable[[Read], Score]) -> dict[str, Any]:
    """A row's metrics beside the AUC on one domain: those in the records, and all where predictions were asked for."""
    found: dict[str, Any] = {}
    for name, measure in MEASURES.items():
        if measure is AUC or not (measure.recorded or findings.metric != AUC.name):
            continue
        one = score(reader(findings, name))
        found |= {name: one.mean, f"{name}_std": one.std}
        if measure.part:
            found[f"{name}_rows"] = rows_of(findings, name).get(domain)
    return found
