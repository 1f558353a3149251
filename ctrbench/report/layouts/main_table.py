"""The main layout: AUC per trained domain, against a reference and the paper. Nothing here imports torch."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ctrbench.bench.plan import ModelFacts
from ctrbench.report.details import reader
from ctrbench.report.findings import Findings
from ctrbench.report.grid import Cell, Column, Entry, Footnotes, Row, Table
from ctrbench.report.layouts.assemble import assembled
from ctrbench.report.layouts.cells import (
    auc_cell,
    blank,
    cost_cells,
    cost_columns,
    cost_values,
    published_cell,
    published_column,
    relaimpr,
    relaimpr_cell,
    relaimpr_legend,
)
from ctrbench.report.layouts.marks import Marks, best_of, untested
from ctrbench.report.layouts.metrics import OF_THE_AUC, beside_the_auc, few_rows, legend, unpraised
from ctrbench.report.measures import AUC, MEASURES
from ctrbench.report.scores import RowCost, Score, row_cost


def build(findings: Findings) -> Table:
    """One row per model. AUCs stand beside RelaImpr and the published value; another metric stands alone."""
    return _Layout(findings).build()


class _Layout:
    def __init__(self, findings: Findings) -> None:
        self.findings, self.table, self.plan = findings, findings.table, findings.plan
        self.scores, self.notes = findings.scores, Footnotes()
        self.measure = MEASURES.get(findings.metric, AUC)
        self.aucs = {(m.name, d): self.scores.own(m, d) for m in self.plan.models for d in self.plan.domains}
        reference = next((model for model in self.plan.models if model.name == self.table.reference), None)
        self.reference_title = reference.title if reference else ""
        by_auc = self.measure is AUC
        self.compares = by_auc and reference is not None
        published = any(model.name in self.table.published for model in self.plan.models)
        self.publishes = by_auc and self.plan.like_the_paper and published
        self.oracle = [self.scores.oracle(domain) for domain in self.plan.domains] if by_auc else []

    @cached_property
    def marks(self) -> Marks:
        """The comparisons with the reference; predictions are read for them."""
        return Marks(self.findings, self.reference_title)

    def build(self) -> Table:
        """Rows, numbers, and what stands below them."""
        rows: list[Row] = []
        entries: list[Entry] = []
        for model in self.plan.models:
            cost = row_cost(self.scores, model)
            found = {domain: self._score(model, domain) for domain in self.plan.domains}
            cells = [cell for domain, score in found.items() for cell in self._cells(model, domain, score)]
            rows.append(Row(model.title, cells + cost_cells(cost), of=model.name))
            entries += [self._entry(model, domain, score, cost) for domain, score in found.items()]
        table = assembled(
            self.findings,
            self._columns(),
            rows,
            entries,
            notes=self.notes,
            legend=self._legend(),
            oracle=self.oracle,
            each=1 + self.compares + self.publishes,
            measure=self.measure,
        )
        return unpraised(table, self.measure)

    def _score(self, model: ModelFacts, domain: str) -> Score:
        if self.measure is AUC:
            return self.aucs[model.name, domain]
        return self.scores.own(model, domain, reader(self.findings, self.measure.name))

    def _columns(self) -> list[Column]:
        beside = ["RelaImpr"] * self.compares + ["paper"] * self.publishes
        columns = []
        for domain in self.plan.domains:
            group = self.plan.titles.get(domain, domain)
            columns.append(Column(self.measure.title, group, True, lower_is_better=self.measure.lower_is_better))
            columns += [published_column(group) if title == "paper" else Column(title, group) for title in beside]
        return columns + cost_columns()

    def _cells(self, model: ModelFacts, domain: str, score: Score) -> list[Cell]:
        cells = [auc_cell(score, self.notes, few_rows(self.findings, self.measure, domain), self.measure)]
        if self.compares:
            self.marks.mark(cells[0], model.name, domain, self._best_other(domain), self.notes)
            is_reference = model.name == self.table.reference
            cells.append(blank() if is_reference else relaimpr_cell(self._reference(domain), score.mean))
        if self.publishes:
            cells.append(published_cell(self.table.published.get(model.name, {}).get(domain), score.mean))
        return cells

    def _reference(self, domain: str) -> float | None:
        return self.aucs[self.table.reference, domain].mean if self.compares else None

    def _best_other(self, domain: str) -> str | None:
        """The row with the highest AUC beside the reference."""
        others = (model.name for model in self.plan.models if model.name != self.table.reference)
        return best_of({name: self.aucs[name, domain].mean for name in others})

    def _entry(self, model: ModelFacts, domain: str, score: Score, cost: RowCost) -> Entry:
        auc = self.aucs[model.name, domain]
        published = self.table.published.get(model.name, {}).get(domain) if self.publishes else None
        compared = self.compares and model.name != self.table.reference
        values: dict[str, Any] = {
            "status": score.status,
            "auc": auc.mean,
            "auc_std": auc.std,
            "seeds": len(auc.values),
            "relaimpr": relaimpr(self._reference(domain), auc.mean) if compared else None,
            **self.marks.values(model.name, domain),
            "published_auc": published,
            "published_difference": None if published is None or auc.mean is None else auc.mean - published,
            "oracle_auc": self.scores.oracle(domain),
            "test_rows": self.scores.test_rows(domain),
            **beside_the_auc(self.findings, domain, lambda read: self.scores.own(model, domain, read)),
            "error": "; ".join(score.faults) or None,
        }
        return Entry(model.title, domain, values, {"category": model.category, **cost_values(cost)})

    def _legend(self) -> list[str]:
        lines = legend(self.findings, self.measure, self.plan.domains)
        if self.reference_title and self.measure is not AUC:
            lines.append(OF_THE_AUC)
        if self.compares:
            lines += self.marks.legend()
            rows = [auc.mean for (name, _), auc in self.aucs.items() if name != self.table.reference]
            references = [self._reference(domain) for domain in self.plan.domains]
            lines += relaimpr_legend(self.reference_title, references, rows)
        return [*lines, *untested(self.plan)]
