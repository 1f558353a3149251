"""Tables from records: the main layout (AUC per trained domain). Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ctrbench.bench.plan import ModelFacts
from ctrbench.bench.spec import Kind
from ctrbench.report import zero_shot
from ctrbench.report.captions import caption, facts
from ctrbench.report.cells import (
    ORACLE_LEGEND,
    auc_cell,
    blank,
    cost_cells,
    cost_columns,
    cost_values,
    oracle_row,
)
from ctrbench.report.findings import Findings
from ctrbench.report.grid import Cell, Column, Entry, Footnotes, Row, Table, rank
from ctrbench.report.scores import RowCost, Score, row_cost


def build(findings: Findings) -> Table:
    """The table that a plan's records make; missing runs show as "-", failed ones as "failed".

    Raises `DataError` when records were scored on different test rows.
    """
    return LAYOUTS[findings.table.kind](findings)


def relaimpr(reference: float | None, row: float | None) -> float | None:
    """How much better the reference is, in percent: ((AUC_ref - .5) / (AUC_row - .5) - 1) * 100.

    None where the row is no better than chance, because the ratio then means nothing.
    """
    if reference is None or row is None or _at_chance(row):
        return None
    return ((reference - 0.5) / (row - 0.5) - 1) * 100


def _at_chance(auc: float | None) -> bool:
    return auc is not None and auc <= 0.5


class MainLayout:
    """One row per model; per domain AUC, RelaImpr and the published value; then the row's cost."""

    def __init__(self, findings: Findings) -> None:
        self.table, self.scores, self.plan = findings.table, findings.scores, findings.plan
        self.notes = Footnotes()
        names = [model.name for model in self.plan.models]
        self.compares = self.table.reference in names
        self.publishes = self.plan.like_the_paper and any(name in self.table.published for name in names)
        oracle = [self.scores.oracle(domain) for domain in self.plan.domains]
        self.oracle = [] if all(auc is None for auc in oracle) else oracle
        self.reference = {d: self._reference(d) for d in self.plan.domains}

    def build(self) -> Table:
        """Rows, numbers, and what stands below them."""
        rows: list[Row] = []
        entries: list[Entry] = []
        for model in self.plan.models:
            cost = row_cost(self.scores, model)
            found = {domain: self.scores.own(model, domain) for domain in self.plan.domains}
            cells = [cell for domain, score in found.items() for cell in self._cells(model, domain, score)]
            rows.append(Row(model.title, cells + cost_cells(cost)))
            entries += [self._entry(model, domain, score, cost) for domain, score in found.items()]
        if self.oracle:
            rows.append(oracle_row(self.oracle, 1 + self.compares + self.publishes))
        columns = self._columns()
        rank(columns, rows)
        return Table(
            name=self.table.name,
            title=self.table.title,
            facts=facts(self.plan),
            columns=columns,
            rows=rows,
            entries=entries,
            caption=caption(self.scores) + self._legend(entries),
            footnotes=self.notes.texts,
        )

    def _columns(self) -> list[Column]:
        per_domain = [("AUC", True)]
        per_domain += [("RelaImpr", False)] if self.compares else []
        per_domain += [("paper", False)] if self.publishes else []
        titles = [self.plan.titles.get(domain, domain) for domain in self.plan.domains]
        return [Column(name, group, ranked) for group in titles for name, ranked in per_domain] + cost_columns()

    def _cells(self, model: ModelFacts, domain: str, score: Score) -> list[Cell]:
        cells = [auc_cell(score, self.notes)]
        if self.compares:
            cells.append(self._relaimpr_cell(model, domain, score))
        if self.publishes:
            cells.append(self._published_cell(model, domain, score))
        return cells

    def _relaimpr_cell(self, model: ModelFacts, domain: str, score: Score) -> Cell:
        if model.name == self.table.reference:
            return blank()
        value = relaimpr(self.reference[domain], score.mean)
        if value is None:
            return Cell("-", style="muted")
        return Cell(f"{value:+.2f}%", value)

    def _published_cell(self, model: ModelFacts, domain: str, score: Score) -> Cell:
        published = self.table.published.get(model.name, {}).get(domain)
        if published is None:
            return Cell("-", style="muted")
        difference = "" if score.mean is None else f"{score.mean - published:+.4f}"
        return Cell(f"{published:.4f}", published, difference, "muted")

    def _entry(self, model: ModelFacts, domain: str, score: Score, cost: RowCost) -> Entry:
        published = self.table.published.get(model.name, {}).get(domain) if self.publishes else None
        compared = self.compares and model.name != self.table.reference
        values: dict[str, Any] = {
            "status": score.status,
            "auc": score.mean,
            "auc_std": score.std,
            "seeds": len(score.values),
            "relaimpr": relaimpr(self.reference[domain], score.mean) if compared else None,
            "published_auc": published,
            "difference": None if published is None or score.mean is None else score.mean - published,
            "oracle_auc": self.scores.oracle(domain),
            "test_rows": self.scores.test_rows(domain),
            "error": "; ".join(score.faults) or None,
        }
        return Entry(model.title, domain, values, {"category": model.category, **cost_values(cost)})

    def _reference(self, domain: str) -> float | None:
        model = next((m for m in self.plan.models if m.name == self.table.reference), None)
        return self.scores.own(model, domain).mean if model else None

    def _legend(self, entries: Iterable[Entry]) -> list[str]:
        lines = []
        if self.compares and any(auc is not None for auc in self.reference.values()):
            lines.append(f"RelaImpr = ((AUC of {self.table.reference} - 0.5) / (AUC of the row - 0.5) - 1) * 100.")
        if self.compares and any(_at_chance(e.values["auc"]) for e in entries if e.row != self.table.reference):
            lines.append("RelaImpr is '-' where the row's AUC is 0.5 or below: it is a ratio to what is above chance.")
        if self.publishes:
            lines.append("paper: the published AUC, on real data, and this run's difference from it.")
        return lines + ([ORACLE_LEGEND] if self.oracle else [])


LAYOUTS: dict[Kind, Callable[[Findings], Table]] = {
    "main": lambda findings: MainLayout(findings).build(),
    "zero_shot": zero_shot.build,
}
"""How each kind of table is laid out."""
