"""How single numbers are shown, the same in every layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ctrbench.report.grid import Cell, Column, Footnotes, Row, count
from ctrbench.report.measures import AUC, Measure
from ctrbench.report.scores import RowCost, Score

ORACLE_LEGEND = "oracle: the AUC of each row's true probability; no model can learn more."
COST_LEGEND = (
    "Cost: parameters, and seconds and rows/s of training steps (validation is apart). Where a row has a model per "
    "domain, of all of these together; mean over seeds."
)
PUBLISHED_LEGEND = "paper: the published AUC, on real data, and this run's difference from it."


def auc_cell(score: Score, notes: Footnotes, remark: str = "", measure: Measure = AUC, form: str = ".4f") -> Cell:
    """An AUC (or another metric, or a gain), its deviation over seeds, and a footnote where something is wrong."""
    footnotes = [notes.number(fault) for fault in score.faults]
    if score.undefined:
        footnotes.append(notes.number(measure.undefined))
    if score.mean is None:
        failed = bool(score.faults)
        return Cell("failed" if failed else "-", style="failed" if failed else "muted", footnotes=footnotes)
    if score.status == "partial":
        footnotes.append(notes.number(f"{len(score.values)} of {score.wanted} seeds."))
    deviation = "" if score.std is None else f"±{score.std:.4f}"
    detail = "\n".join(part for part in (deviation, remark) if part)
    return Cell(format(score.mean, form), score.mean, detail, footnotes=footnotes)


def relaimpr(reference: float | None, row: float | None) -> float | None:
    """How much better the reference is, in percent: ((AUC_ref - .5) / (AUC_row - .5) - 1) * 100.

    None where either is no better than chance, because the ratio then means nothing.
    """
    if reference is None or row is None or _at_chance(reference) or _at_chance(row):
        return None
    return ((reference - 0.5) / (row - 0.5) - 1) * 100


def _at_chance(auc: float | None) -> bool:
    return auc is not None and auc <= 0.5


def relaimpr_cell(reference: float | None, row: float | None) -> Cell:
    """The reference's RelaImpr over a row."""
    value = relaimpr(reference, row)
    return Cell("-", style="muted") if value is None else Cell(f"{value:+.2f}%", value)


def relaimpr_legend(name: str, reference: Iterable[float | None], rows: Iterable[float | None]) -> list[str]:
    """What RelaImpr is, where the reference has an AUC; and why some rows have none."""
    lines, of_reference = [], list(reference)
    if any(auc is not None for auc in of_reference):
        lines.append(f"RelaImpr = ((AUC of {name} - 0.5) / (AUC of the row - 0.5) - 1) * 100.")
    if any(_at_chance(auc) for auc in [*of_reference, *rows]):
        lines.append(
            f"RelaImpr is '-' where the AUC of the row or of {name} is 0.5 or below: it compares what is above chance."
        )
    return lines


def published_cell(published: float | None, auc: float | None) -> Cell:
    """A number of the paper's, and the difference of an own one from it."""
    if published is None:
        return Cell("-", style="muted")
    difference = "" if auc is None else f"{auc - published:+.4f}"
    return Cell(f"{published:.4f}", published, difference, "muted")


def published_column(group: str, *more: str) -> Column:
    """The column of `published_cell`; `more`: what else is to be said of it."""
    return Column("paper", group, aside=True, legend=(PUBLISHED_LEGEND, *more))


def cost_columns() -> list[Column]:
    """The columns of `cost_cells`."""
    return [Column(title, "Cost", aside=True, legend=(COST_LEGEND,)) for title in ("params", "train s", "rows/s")]


def cost_cells(cost: RowCost) -> list[Cell]:
    """Parameters, seconds of training without validation, rows per second of it."""
    return [
        Cell(count(cost.parameters), cost.parameters),
        Cell(_seconds(cost.train_seconds), cost.train_seconds),
        Cell(count(cost.rows_per_s), cost.rows_per_s),
    ]


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.1f}" if seconds >= 0.1 else f"{seconds:.2g}"


def cost_values(cost: RowCost) -> dict[str, Any]:
    """The same in full precision, by name."""
    return asdict(cost)


def blank() -> Cell:
    """A cell that has nothing to say."""
    return Cell("", style="muted")


def bound_row(name: str, found: Iterable[float | None], each: int, width: int) -> Row:
    """A row that is no model's, of a table `width` columns wide: a number heads each domain's `each` columns."""
    cells = [blank() for _ in range(width)]
    for place, auc in enumerate(found):
        cells[each * place] = Cell("-" if auc is None else f"{auc:.4f}", auc, style="muted")
    return Row(name, cells, ranked=False)
