"""The layout of a new domain: what a trained model reaches on a domain that is added to it, all else frozen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ctrbench.bench.plan import ModelFacts, PlannedRun
from ctrbench.bench.records import Target
from ctrbench.report.details import reader
from ctrbench.report.findings import Findings
from ctrbench.report.grid import Cell, Column, Entry, Footnotes, Row, Table, count
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
from ctrbench.report.scores import Read, RowCost, Score, Scores, cost_of

LEGEND = (
    "Joint models were trained on the training domains, and frozen; then networks of the new domain's own alone were "
    "trained, on its rows. Single-domain models are trained from scratch on those rows.",
    "A frozen model knows the ids of its own training rows; those that only the new domain has share one untrained "
    "embedding per field: an ID-based model that is extended sees less of the new domain than one from scratch.",
)
TRAINED = (
    "trained: parameters that learned from the new domain's rows. Cost is of the new domain alone: the joint training "
    "before it is not counted."
)
SEESAW = (
    "seesaw: whether a sample of old domains' predictions, scored before and after, and every weight of the joint "
    "training stayed bitwise the same; a run in which they did not has failed."
)
UNPUBLISHED = (
    "paper '-': the paper has no number; of joint models, it says that they cannot be extended. Here a model is "
    "extended by one of each network that it keeps per domain."
)


@dataclass(frozen=True)
class Addition:
    """What a row reaches on one new domain."""

    score: Score
    runs: tuple[PlannedRun, ...]
    """By seed; none where the model cannot have a new domain."""
    kept: bool | None
    """Whether the old domains stayed as they were; None where there are none, or no run is done."""


def build(findings: Findings) -> Table:
    """One row per model; per new domain AUC, RelaImpr and the published value; what was trained, and at what cost."""
    return _Layout(findings).build()


class _Layout:
    def __init__(self, findings: Findings) -> None:
        self.findings, self.table, self.scores, self.plan = findings, findings.table, findings.scores, findings.plan
        self.notes = Footnotes()
        self.found = {m.name: {d: addition(self.scores, m, d) for d in self.plan.targets} for m in self.plan.models}
        self.reference = next((m for m in self.plan.models if m.name == self.table.reference), None)
        self.measure = MEASURES.get(findings.metric, AUC)
        self.by_auc = self.measure is AUC
        self.compares = self.by_auc and self.reference is not None
        self.publishes = self.by_auc and self.plan.like_the_paper and any(n in self.table.published for n in self.found)

    @cached_property
    def marks(self) -> Marks:
        """The comparisons with the reference; predictions are read for them."""
        return Marks(self.findings, self.reference.title if self.reference else "")

    def build(self) -> Table:
        """Rows, numbers, and what stands below them."""
        costs = {model.name: self._cost(model) for model in self.plan.models}
        rows = [Row(m.title, self._row(m, costs[m.name]), of=m.name) for m in self.plan.models]
        table = assembled(
            self.findings,
            self._columns(),
            rows,
            [self._entry(m, d, costs[m.name]) for m in self.plan.models for d in self.plan.targets],
            notes=self.notes,
            legend=self._legend(),
            oracle=[self.scores.oracle(domain) for domain in self.plan.targets] if self.by_auc else [],
            each=1 + self.compares + self.publishes,
            measure=self.measure,
        )
        return unpraised(table, self.measure)

    def _columns(self) -> list[Column]:
        found = []
        for group in (self.plan.titles.get(domain, domain) for domain in self.plan.targets):
            found.append(Column(self.measure.title, group, True, lower_is_better=self.measure.lower_is_better))
            found += [Column("RelaImpr", group)] if self.compares else []
            found += [published_column(group, UNPUBLISHED)] if self.publishes else []
        trained = Column("trained", "Cost", aside=True, legend=(TRAINED,))
        return [*found, *cost_columns(), trained, Column("seesaw", "Old domains", legend=(SEESAW,))]

    def _row(self, model: ModelFacts, cost: RowCost) -> list[Cell]:
        cells = [cell for domain in self.plan.targets for cell in self._cells(model, domain)]
        kept = [found.kept for found in self.found[model.name].values()]
        trained = Cell(count(cost.parameters_trained), cost.parameters_trained)
        return [*cells, *cost_cells(cost), trained, _kept_cell(model, kept)]

    def _cells(self, model: ModelFacts, domain: str) -> list[Cell]:
        found = self.found[model.name][domain]
        shown = self._score(found, domain, reader(self.findings, self.measure.name))
        cells = [auc_cell(shown, self.notes, few_rows(self.findings, self.measure, domain), self.measure)]
        if not found.runs:
            why = f"{model.title} has no network per domain, so no domain can be added to it."
            cells = [Cell("-", style="muted", footnotes=[self.notes.number(why)])]
        if self.compares:
            same = model is self.reference
            self.marks.mark(cells[0], model.name, domain, self._best_other(domain), self.notes)
            cells.append(blank() if same else relaimpr_cell(self._reference_auc(domain), found.score.mean))
        if self.publishes:
            cells.append(published_cell(self._published(model, domain), found.score.mean))
        return cells

    def _entry(self, model: ModelFacts, domain: str, cost: RowCost) -> Entry:
        found = self.found[model.name][domain]
        published = self._published(model, domain) if self.publishes else None
        mean, compared = found.score.mean, self.reference not in (None, model)
        values: dict[str, Any] = {
            "status": found.score.status if found.runs else "impossible",
            "auc": mean,
            "auc_std": found.score.std,
            "seeds": len(found.score.values),
            "relaimpr": relaimpr(self._reference_auc(domain), mean) if compared else None,
            **self.marks.values(model.name, domain),
            "published_auc": published,
            "published_difference": None if published is None or mean is None else mean - published,
            "oracle_auc": self.scores.oracle(domain),
            "test_rows": self.scores.test_rows(domain),
            **beside_the_auc(self.findings, domain, lambda read: self._score(found, domain, read)),
            "added_to_a_trained_model": not model.per_domain,
            "old_domains_unchanged": found.kept,
            "error": "; ".join(found.score.faults) or None,
        }
        return Entry(model.title, domain, values, {"category": model.category, **cost_values(cost)})

    def _score(self, found: Addition, domain: str, read: Read) -> Score:
        return self.scores.score(found.runs, Target("test", domain, "own"), read)

    def _reference_auc(self, domain: str) -> float | None:
        return self.found[self.reference.name][domain].score.mean if self.reference else None

    def _best_other(self, domain: str) -> str | None:
        """The row with the highest AUC beside the reference."""
        others = (model.name for model in self.plan.models if model is not self.reference)
        return best_of({name: self.found[name][domain].score.mean for name in others})

    def _published(self, model: ModelFacts, domain: str) -> float | None:
        return self.table.published.get(model.name, {}).get(domain)

    def _cost(self, model: ModelFacts) -> RowCost:
        """Of the new domains' runs, without their bases."""
        additions = [found.runs for found in self.found[model.name].values()]
        return cost_of(self.scores, list(zip(*additions, strict=True)))

    def _legend(self) -> list[str]:
        lines = [*LEGEND, *legend(self.findings, self.measure, self.plan.targets)]
        if self.reference and not self.compares:
            lines.append(OF_THE_AUC)
        if self.reference and self.compares:
            others = [self.found[m.name][d].score.mean for m in self.plan.models for d in self.plan.targets]
            best = [self._reference_auc(domain) for domain in self.plan.targets]
            lines += [*self.marks.legend(), *relaimpr_legend(self.reference.title, best, others)]
        return [*lines, *untested(self.plan)]


def addition(scores: Scores, model: ModelFacts, domain: str) -> Addition:
    """A row's test AUC on a new domain through that domain's own head, over seeds."""
    every = [run for seed in scores.plan.seeds for run in scores.plan.runs_of(model.name, seed)]
    runs = tuple(run for run in every if run.spec.domains == (domain,))
    if not runs:
        return Addition(Score(wanted=len(scores.plan.seeds)), (), None)
    records = [record for run in runs if (record := scores.record(run)) is not None]
    grown = [record for record in records if record.status == "done" and record.spec.base is not None]
    kept = all(record.growth is not None for record in grown) if grown else None
    return Addition(scores.score(runs, Target("test", domain, "own")), runs, kept)


def _kept_cell(model: ModelFacts, kept: list[bool | None]) -> Cell:
    """Whether the old domains stayed as they were; a model from scratch has none."""
    if model.per_domain:
        return blank()
    known = [one for one in kept if one is not None]
    return Cell("unchanged" if all(known) else "unknown") if known else Cell("-", style="muted")
