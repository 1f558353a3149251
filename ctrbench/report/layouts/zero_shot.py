"""The zero-shot layout: a domain that nobody was trained on, through the heads of the domains that were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrbench.bench.plan import ModelFacts
from ctrbench.report.details import reader
from ctrbench.report.findings import Findings
from ctrbench.report.grid import Cell, Column, Entry, Footnotes, Row, Table
from ctrbench.report.layouts import metrics
from ctrbench.report.layouts.assemble import assembled
from ctrbench.report.layouts.cells import auc_cell, blank, cost_cells, cost_columns, cost_values
from ctrbench.report.measures import ALL, AUC, MEASURES, Measure
from ctrbench.report.outcomes import AND, PICKS, Outcome, outcome
from ctrbench.report.scores import RowCost, Score, Scores, row_cost

LEGEND = (
    "best, mean, worst: on test rows, over one model per training domain, one head per training domain, or the general "
    "network alone; the paper reports the best, which selects on test. chosen: the one whose AUC is best on the "
    "target's labelled validation rows: honest about test rows, yet not strictly zero-shot. averaged: the mean of all "
    "heads' probabilities. Among the worst, nothing is marked as best. Not tested for significance: what is best was "
    "chosen on the rows that would test it."
)


def build(findings: Findings) -> Table:
    """One row per model; per target best, mean and worst candidate, and the one chosen on validation."""
    scores, plan, notes = findings.scores, findings.plan, Footnotes()
    shown = MEASURES.get(findings.metric, AUC)
    wanted = MEASURES.values() if findings.metric == ALL else dict.fromkeys((AUC, shown))
    rows: list[Row] = []
    entries: list[Entry] = []
    for model in plan.models:
        cost = row_cost(scores, model)
        cells: list[Cell] = []
        for target in plan.targets:
            found = {m.name: outcome(scores, model, target, m, reader(findings, m.name)) for m in wanted}
            cells += _cells(model, found[shown.name], notes, shown, metrics.few_rows(findings, shown, target))
            entries.append(_entry(scores, model, target, found, cost))
        rows.append(Row(model.title, cells + cost_cells(cost), of=model.name))
    table = assembled(
        findings,
        _columns(scores, shown),
        rows,
        entries,
        notes=notes,
        legend=[LEGEND, *metrics.legend(findings, shown, plan.targets)],
        oracle=[scores.oracle(target) for target in plan.targets] if shown is AUC else [],
        each=len(PICKS),
        measure=shown,
    )
    return metrics.unpraised(table, shown)


def _columns(scores: Scores, shown: Measure) -> list[Column]:
    what = "" if shown is AUC else f": {shown.title}"
    groups = [scores.plan.titles.get(target, target) + what for target in scores.plan.targets]
    lower = shown.lower_is_better
    picks = [Column(p, group, ranked=p != "worst", lower_is_better=lower) for group in groups for p in PICKS]
    return picks + cost_columns()


def _cells(model: ModelFacts, found: Outcome, notes: Footnotes, shown: Measure, few: str) -> list[Cell]:
    """A model with a general head has one candidate, so there is nothing to average or to pick. `few`: below each."""

    def cell(score: Score, heads: str = "") -> Cell:
        below = [part for part in (few, heads.replace(AND, "\n")) if part]
        return auc_cell(score, notes, "\n".join(below), shown)

    spread = [blank() if model.has_general_head else cell(score) for score in (found.mean, found.worst)]
    return [
        cell(found.best, found.best_heads),
        *spread,
        cell(found.chosen, found.chosen_heads),
        cell(found.averaged) if found.averaged.values else blank(),
    ]


def _entry(scores: Scores, model: ModelFacts, target: str, outcomes: Mapping[str, Outcome], cost: RowCost) -> Entry:
    """`outcomes`: by metric; heads and candidates are told of the AUC."""
    found = outcomes[AUC.name]
    values: dict[str, Any] = {"status": found.best.status, "seeds": len(found.best.values)}
    for metric, of_metric in outcomes.items():
        for name in PICKS:
            score: Score = getattr(of_metric, name)
            values |= {f"{name}_{metric}": score.mean, f"{name}_{metric}_std": score.std}
    faults = dict.fromkeys(fault for of_metric in outcomes.values() for fault in of_metric.best.faults)
    values |= {
        "best_head": found.best_heads or None,
        "chosen_head": found.chosen_heads or None,
        "oracle_auc": scores.oracle(target),
        "test_rows": scores.test_rows(target),
        "error": "; ".join(faults) or None,
        "candidates": [
            {"seed": seed, "head": c.head, "test_auc": c.test, "valid_auc": c.valid}
            for seed, of_seed in zip(scores.plan.seeds, found.candidates, strict=True)
            for c in of_seed
        ],
    }
    return Entry(model.title, target, values, {"category": model.category, **cost_values(cost)})
