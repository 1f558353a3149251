"""The zero-shot layout: a domain that nobody was trained on, through the heads of the domains that were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ctrbench.bench.plan import ModelFacts, PlannedRun
from ctrbench.bench.records import Target
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
from ctrbench.report.scores import RowCost, Score, Scores, row_cost

AND = " / "
"""Between heads, where seeds differ in which one they pick."""
PICKS = ("best", "mean", "worst", "chosen", "averaged")


@dataclass(frozen=True)
class Candidate:
    """One head's AUC on a target domain."""

    head: str
    test: float
    valid: float | None


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
    rows: list[Row] = []
    entries: list[Entry] = []
    for model in plan.models:
        cost = row_cost(scores, model)
        found = {target: outcome(scores, model, target) for target in plan.targets}
        cells = [cell for result in found.values() for cell in _cells(model, result, notes)]
        rows.append(Row(model.title, cells + cost_cells(cost)))
        entries += [_entry(scores, model, target, result, cost) for target, result in found.items()]
    oracle = [scores.oracle(target) for target in plan.targets]
    knowable = any(auc is not None for auc in oracle)
    if knowable:
        rows.append(oracle_row(oracle, len(PICKS)))
    columns = _columns(scores)
    rank(columns, rows)
    return Table(
        name=table.name,
        title=table.title,
        facts=facts(plan),
        columns=columns,
        rows=rows,
        entries=entries,
        caption=caption(scores) + _legend(knowable),
        footnotes=notes.texts,
    )


def outcome(scores: Scores, model: ModelFacts, target: str) -> Outcome:
    """All ways to pick a head, over seeds."""
    plan = scores.plan
    runs = [plan.runs_of(model.name, seed) for seed in plan.seeds]
    candidates = [_candidates(scores, model, of_seed, target) for of_seed in runs]
    undefined = sum(_undefined(scores, model, of_seed, target) for of_seed in runs)
    whole = [found for found in candidates if found]
    faults = tuple(scores.faults(run for of_seed in runs for run in of_seed))
    best = [max(found, key=lambda c: c.test) for found in whole]
    chosen = [max(found, key=_validation) for found in whole if any(c.valid is not None for c in found)]

    def score(values: Sequence[float]) -> Score:
        return Score(tuple(values), len(runs), faults, undefined)

    return Outcome(
        best=score([c.test for c in best]),
        mean=score([fmean(c.test for c in found) for found in whole]),
        worst=score([min(c.test for c in found) for found in whole]),
        chosen=score([c.test for c in chosen]),
        averaged=score(_averaged(scores, runs, target)),
        best_heads=_names(best),
        chosen_heads=_names(chosen),
        candidates=tuple(tuple(found) for found in candidates),
    )


def _candidates(scores: Scores, model: ModelFacts, runs: Sequence[PlannedRun], target: str) -> list[Candidate]:
    """A seed's heads: the general one alone where there is one, else each training domain's."""
    found = []
    for run, head in _heads(model, runs):
        test = scores.metric(run, Target("test", target, head))
        valid = scores.metric(run, Target("valid", target, head))
        if test is not None and test.auc is not None:
            found.append(Candidate(head, test.auc, valid.auc if valid else None))
    return found


def _undefined(scores: Scores, model: ModelFacts, runs: Sequence[PlannedRun], target: str) -> bool:
    """Whether a seed's heads were scored, and none of them got an AUC."""
    found = [scores.metric(run, Target("test", target, head)) for run, head in _heads(model, runs)]
    scored = [metrics.auc for metrics in found if metrics is not None]
    return bool(scored) and all(auc is None for auc in scored)


def _heads(model: ModelFacts, runs: Sequence[PlannedRun]) -> list[tuple[PlannedRun, str]]:
    return [(run, head) for run in runs for head in (("general",) if model.has_general_head else run.spec.domains)]


def _validation(candidate: Candidate) -> float:
    return -1.0 if candidate.valid is None else candidate.valid


def _averaged(scores: Scores, runs: Sequence[Sequence[PlannedRun]], target: str) -> list[float]:
    found = [scores.metric(run, Target("test", target, "mean")) for of_seed in runs for run in of_seed]
    return [metrics.auc for metrics in found if metrics is not None and metrics.auc is not None]


def _names(candidates: Sequence[Candidate]) -> str:
    return AND.join(dict.fromkeys(candidate.head for candidate in candidates))


def _columns(scores: Scores) -> list[Column]:
    titles = [scores.plan.titles.get(target, target) for target in scores.plan.targets]
    return [Column(pick, group, ranked=True) for group in titles for pick in PICKS] + cost_columns()


def _cells(model: ModelFacts, found: Outcome, notes: Footnotes) -> list[Cell]:
    """A model with a general head has one candidate, so there is nothing to average or to pick."""
    one = model.has_general_head
    spread = [blank() if one else auc_cell(score, notes) for score in (found.mean, found.worst)]
    averaged = auc_cell(found.averaged, notes) if found.averaged.values else blank()
    return [
        auc_cell(found.best, notes, found.best_heads.replace(AND, "\n")),
        *spread,
        auc_cell(found.chosen, notes, found.chosen_heads.replace(AND, "\n")),
        averaged,
    ]


def _entry(scores: Scores, model: ModelFacts, target: str, found: Outcome, cost: RowCost) -> Entry:
    values: dict[str, Any] = {"status": found.best.status, "seeds": len(found.best.values)}
    for name in PICKS:
        score: Score = getattr(found, name)
        values |= {f"{name}_auc": score.mean, f"{name}_auc_std": score.std}
    values |= {
        "best_head": found.best_heads or None,
        "chosen_head": found.chosen_heads or None,
        "oracle_auc": scores.oracle(target),
        "test_rows": scores.test_rows(target),
        "error": "; ".join(found.best.faults) or None,
        "candidates": [
            {"seed": seed, "head": c.head, "test_auc": c.test, "valid_auc": c.valid}
            for seed, of_seed in zip(scores.plan.seeds, found.candidates, strict=True)
            for c in of_seed
        ],
    }
    return Entry(model.title, target, values, {"category": model.category, **cost_values(cost)})


def _legend(oracle: bool) -> list[str]:
    picks = (
        "best, mean, worst: on test rows, over a model's candidates, which are one model per training domain, one "
        "head per training domain, or the general network alone; the paper reports the best, which selects on test. "
        "chosen: the candidate that is best on the target's labelled validation rows, so not strictly zero-shot "
        "either, only honest about test rows. averaged: the mean of all heads' probabilities."
    )
    return [picks, ORACLE_LEGEND] if oracle else [picks]
