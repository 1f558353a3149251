"""The seesaw measure: what each domain gains when a model is trained on all of them, not on it alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ctrbench.bench.plan import ModelFacts
from ctrbench.bench.records import Target
from ctrbench.report.scores import Score, Scores

TOLERANCE = 0.001
"""An AUC difference that the paper calls significant: smaller losses are none."""
RULE = (
    "gain: AUC of joint training minus that of the same architecture trained on the domain alone, per seed. Balance "
    f"holds where no domain loses: its mean gain is not below -{TOLERANCE:g}, with several seeds not below minus their "
    "standard deviation, where that is more: a loss that is no larger than the noise counts as none."
)


@dataclass(frozen=True)
class Gain:
    """A domain's AUC by joint training, by training on it alone, and their difference by seed."""

    joint: Score
    alone: Score
    gain: Score

    @property
    def loses(self) -> bool | None:
        """Whether joint training costs the domain more than `RULE` tolerates; None where that is unknown."""
        if self.gain.mean is None:
            return None
        return self.gain.mean < -max(TOLERANCE, self.gain.std or 0.0)


def gains(scores: Scores, model: ModelFacts) -> dict[str, Gain]:
    """Each training domain's gain, over the seeds that have both runs."""
    return {domain: _gain(scores, model, domain) for domain in scores.plan.domains}


def balanced(found: Mapping[str, Gain]) -> bool | None:
    """Whether no domain loses; None where that is unknown."""
    losses = [gain.loses for gain in found.values()]
    if any(losses):
        return False
    return None if None in losses or not losses else True


def _gain(scores: Scores, model: ModelFacts, domain: str) -> Gain:
    plan = scores.plan
    joint = [_auc(scores, model, seed, plan.domains, domain) for seed in plan.seeds]
    alone = [_auc(scores, model, seed, (domain,), domain) for seed in plan.seeds]
    pairs = [(a, b) for a, b in zip(joint, alone, strict=True) if a is not None and b is not None]
    runs = [run for seed in plan.seeds for run in plan.runs_of(model.name, seed) if domain in run.spec.domains]
    faults, wanted = tuple(scores.faults(runs)), len(plan.seeds)
    both = Score(tuple(a - b for a, b in pairs), wanted, faults)
    return Gain(Score(_known(joint), wanted, faults), Score(_known(alone), wanted, faults), both)


def _auc(scores: Scores, model: ModelFacts, seed: int, trained: tuple[str, ...], domain: str) -> float | None:
    """A domain's test AUC through its own head, of the run that was trained on just these domains."""
    runs = [run for run in scores.plan.runs_of(model.name, seed) if run.spec.domains == trained]
    measured = runs and len(scores.plan.domains) > 1
    return scores.auc(runs[0], Target("test", domain, "own")) if measured else None


def _known(values: list[float | None]) -> tuple[float, ...]:
    return tuple(value for value in values if value is not None)
