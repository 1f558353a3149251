"""How single numbers are shown, the same in every layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ctrbench.report.grid import Cell, Column, Footnotes, Row, count
from ctrbench.report.scores import RowCost, Score

ORACLE_LEGEND = "oracle: the AUC of each row's true probability; no model can learn more."


def auc_cell(score: Score, notes: Footnotes, remark: str = "") -> Cell:
    """An AUC, its deviation over seeds, and a footnote where something is wrong with it."""
    footnotes = [notes.number(fault) for fault in score.faults]
    if score.undefined:
        footnotes.append(notes.number("No AUC: the test rows are all of one class."))
    if score.mean is None:
        failed = bool(score.faults)
        return Cell("failed" if failed else "-", style="failed" if failed else "muted", footnotes=footnotes)
    if score.status == "partial":
        footnotes.append(notes.number(f"{len(score.values)} of {score.wanted} seeds."))
    deviation = "" if score.std is None else f"±{score.std:.4f}"
    detail = "\n".join(part for part in (deviation, remark) if part)
    return Cell(f"{score.mean:.4f}", score.mean, detail, footnotes=footnotes)


def cost_columns() -> list[Column]:
    """The columns of `cost_cells`."""
    return [Column(title, "Cost") for title in ("params", "train s", "rows/s")]


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
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.1f}"


def cost_values(cost: RowCost) -> dict[str, Any]:
    """The same in full precision, by name."""
    return asdict(cost)


def blank() -> Cell:
    """A cell that has nothing to say."""
    return Cell("", style="muted")


def oracle_row(found: Iterable[float | None], width: int) -> Row:
    """The row of what is knowable: its AUC heads each group of `width` columns."""
    cells: list[Cell] = []
    for auc in found:
        cells.append(Cell("-" if auc is None else f"{auc:.4f}", auc, style="muted"))
        cells += [blank() for _ in range(width - 1)]
    return Row("oracle", cells + [blank() for _ in cost_columns()], ranked=False)
