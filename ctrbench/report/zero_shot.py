"""The zero-shot layout: a domain that nobody was trained on, through the heads of the domains that were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

from ctrbench.bench.plan import ModelFacts, PlannedRun
from ctrbench.bench.records import Target
from ctrbench.errors import DataError
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
from ctrbench.report.details import reader
from ctrbench.report.findings import Findings
from ctrbench.report.grid import Cell, Column, Entry, Footnotes, Row, Table, rank
from ctrbench.report.measures import ALL, AUC, MEASURES, Measure
from ctrbench.report.scores import Read, RowCost, Score, Scores, row_cost

AND = " / "
"""Between heads, where seeds differ in which one they pick."""
PICKS = ("best", "mean", "worst", "chosen", "averaged")


@dataclass(frozen=True)
class Candidate:
    """One head's AUC, or another metric, on the test rows of a target domain."""

    head: str
    test: float
    valid: float | None
    """Its AUC on validation rows."""


@dataclass(frozen=True)
class Outcome:
    """What a model reaches on a target, by the way a head is picked from its candidates."""

    best: Score
    mean: Score
    worst: Score
    chosen: Score
    averaged: Score
    """The mean of all heads' probabilities (multi-domain models only)."""
    best_heads: str
    chosen_heads: str
    candidates: tuple[tuple[Candidate, ...], ...]
    """By seed."""


def build(findings: Findings) -> Table:
    """One row per model; per target best, mean and worst candidate, and the one chosen on validation."""
    table, scores, plan, notes = findings.table, findings.scores, findings.plan, Footnotes()
    shown = MEASURES.get(findings.metric, AUC)
    wanted = MEASURES.values() if findings.metric == ALL else dict.fromkeys((AUC, shown))
    rows: list[Row] = []
    entries: list[Entry] = []
    for model in plan.models:
        cost = row_cost(scores, model)
        cells: list[Cell] = []
        for target in plan.targets:
            found = {m.name: outcome(scores, model, target, m, reader(findings, m.name)) for m in wanted}
            cells += _cells(model, found[shown.name], notes, shown)
            entries.append(_entry(scores, model, target, found, cost))
        rows.append(Row(model.title, cells + cost_cells(cost)))
    oracle = [scores.oracle(target) for target in plan.targets]
    knowable = shown is AUC and any(auc is not None for auc in oracle)
    if knowable:
        rows.append(oracle_row(oracle, len(PICKS)))
    columns = _columns(scores, shown)
    rank(columns, rows)
    return Table(
        name=table.name,
        title=table.title,
        facts=facts(plan),
        columns=columns,
        rows=rows,
        entries=entries,
        caption=caption(scores) + _legend(knowable, shown),
        footnotes=notes.texts,
    )


def outcome(
    scores: Scores, model: ModelFacts, target: str, measure: Measure = AUC, read: Read | None = None
) -> Outcome:
    """All ways to pick a head, over seeds, by AUC or another measure that `read` gives. The choice is by valid AUC."""
    plan = scores.plan
    runs = [plan.runs_of(model.name, seed) for seed in plan.seeds]
    unread: list[str] = []

    def value(run: PlannedRun, head: str) -> float | None:
        try:
            return (read or scores.auc)(run, Target("test", target, head))
        except DataError as error:
            unread.append(str(error))
            return None

    candidates = [
        [
            Candidate(head, test, scores.auc(run, Target("valid", target, head)))
            for run, head in _heads(model, of_seed)
            if (test := value(run, head)) is not None
        ]
        for of_seed in runs
    ]
    averaged = [value(run, "mean") for of_seed in runs for run in of_seed]
    undefined = sum(
        not unread and not found and _scored(scores, model, of_seed, target)
        for found, of_seed in zip(candidates, runs, strict=True)
    )
    faults = dict.fromkeys([*scores.faults(run for of_seed in runs for run in of_seed), *unread])
    whole = [found for found in candidates if found]
    lowest, highest = partial(min, key=_test), partial(max, key=_test)
    best = [(lowest if measure.lower_is_better else highest)(found) for found in whole]
    worst = [(highest if measure.lower_is_better else lowest)(found) for found in whole]
    chosen = [max(found, key=_validation) for found in whole if any(c.valid is not None for c in found)]

    def score(values: Sequence[float]) -> Score:
        return Score(tuple(values), len(runs), tuple(faults), undefined)

    return Outcome(
        best=score([c.test for c in best]),
        mean=score([fmean(c.test for c in found) for found in whole]),
        worst=score([c.test for c in worst]),
        chosen=score([c.test for c in chosen]),
        averaged=score([test for test in averaged if test is not None]),
        best_heads=_names(best),
        chosen_heads=_names(chosen),
        candidates=tuple(tuple(found) for found in candidates),
    )


def _scored(scores: Scores, model: ModelFacts, runs: Sequence[PlannedRun], target: str) -> bool:
    """Whether any of a seed's heads was scored on the target."""
    return any(scores.metric(run, Target("test", target, head)) is not None for run, head in _heads(model, runs))


def _heads(model: ModelFacts, runs: Sequence[PlannedRun]) -> list[tuple[PlannedRun, str]]:
    return [(run, head) for run in runs for head in (("general",) if model.has_general_head else run.spec.domains)]


def _validation(candidate: Candidate) -> float:
    return -1.0 if candidate.valid is None else candidate.valid


def _test(candidate: Candidate) -> float:
    return candidate.test


def _names(candidates: Sequence[Candidate]) -> str:
    return AND.join(dict.fromkeys(candidate.head for candidate in candidates))


def _columns(scores: Scores, shown: Measure) -> list[Column]:
    what = "" if shown is AUC else f": {shown.title}"
    groups = [scores.plan.titles.get(target, target) + what for target in scores.plan.targets]
    ranked = {"ranked": True, "lower_is_better": shown.lower_is_better}
    return [Column(pick, group, **ranked) for group in groups for pick in PICKS] + cost_columns()


def _cells(model: ModelFacts, found: Outcome, notes: Footnotes, shown: Measure) -> list[Cell]:
    """A model with a general head has one candidate, so there is nothing to average or to pick."""
    one = model.has_general_head
    cell = partial(auc_cell, notes=notes, measure=shown)
    spread = [blank() if one else cell(score) for score in (found.mean, found.worst)]
    return [
        cell(found.best, remark=found.best_heads.replace(AND, "\n")),
        *spread,
        cell(found.chosen, remark=found.chosen_heads.replace(AND, "\n")),
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


def _legend(oracle: bool, shown: Measure) -> list[str]:
    picks = (
        "best, mean, worst: on test rows, over a model's candidates, which are one model per training domain, one "
        "head per training domain, or the general network alone; the paper reports the best, which selects on test. "
        "chosen: the candidate whose AUC is best on the target's labelled validation rows, so not strictly zero-shot "
        "either, only honest about test rows. averaged: the mean of all heads' probabilities."
    )
    return [picks, *([shown.legend] if shown.legend else []), *([ORACLE_LEGEND] if oracle else [])]
