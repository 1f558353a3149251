"""What models reach on a domain that nobody was trained on, by the way a head is picked. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from ctrbench.bench.plan import ModelFacts, PlannedRun
from ctrbench.bench.records import Target
from ctrbench.errors import DataError
from ctrbench.report.measures import AUC, Measure
from ctrbench.report.scores import Read, Score, Scores

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
