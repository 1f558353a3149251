"""The seesaw measure: what each domain gains when a model is trained on all of them, not on it alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan, sqrt
from typing import TYPE_CHECKING

from ctrbench.bench.records import Target
from ctrbench.errors import DataError
from ctrbench.report.predictions import scored
from ctrbench.report.scores import Score, Scores

if TYPE_CHECKING:
    from ctrbench.bench.plan import ModelFacts, PlannedRun
    from ctrbench.report.findings import Findings

TOLERANCE = 0.001
"""An AUC difference that the paper calls significant: smaller losses are none."""
ERRORS = 2
"""Standard errors that a loss is more than, to be one."""


def rule(seeds: int) -> str:
    """When a domain loses, of that many seeds."""
    how = "its deviation over seeds / the root of their number" if seeds > 1 else "DeLong's, on the same test rows"
    blind = "what other test rows could show" if seeds > 1 else "the noise of training"
    return (
        "gain: AUC of joint training minus that of the same architecture trained on the domain alone, per seed. A "
        f"domain loses where its mean gain is below the limit: minus {TOLERANCE:g}, or one pair of test rows (1 / "
        f"(positive * negative rows)), or {ERRORS} standard errors of the gain ({how}), whichever is most; of {blind} "
        "it knows nothing. Balance holds where no domain loses."
    )


@dataclass(frozen=True)
class Gain:
    """A domain's AUC by joint training, by training on it alone, and their difference by seed."""

    joint: Score
    alone: Score
    gain: Score
    pair: float = 0.0
    """What one pair of test rows is of the AUC."""
    error: float | None = None
    """The standard error of the mean gain; None where that is unknown."""
    fault: str = ""
    """Why the error of one seed is unknown, where its gain is known."""

    @property
    def limit(self) -> float:
        """The gain below which a domain loses."""
        return -max(TOLERANCE, self.pair, ERRORS * (self.error or 0.0))

    @property
    def loses(self) -> bool | None:
        """Whether joint training costs the domain more than `rule` tolerates; None where that is unknown."""
        return None if self.gain.mean is None else self.gain.mean < self.limit


def gains(findings: Findings, model: ModelFacts) -> dict[str, Gain]:
    """Each training domain's gain, over the seeds that have both runs."""
    return {domain: _gain(findings, model, domain) for domain in findings.plan.domains}


def balanced(found: Mapping[str, Gain]) -> bool | None:
    """Whether no domain loses; None where that is unknown."""
    losses = [gain.loses for gain in found.values()]
    if any(losses):
        return False
    return None if None in losses or not losses else True


def _gain(findings: Findings, model: ModelFacts, domain: str) -> Gain:
    scores, plan = findings.scores, findings.plan
    pairs = [
        (_run(scores, model, seed, plan.domains), _run(scores, model, seed, (domain,)))
        for seed in plan.seeds
        if len(plan.domains) > 1
    ]
    target = Target("test", domain, "own")
    aucs = [[None if run is None else scores.auc(run, target) for run in pair] for pair in pairs]
    differences = tuple(joint - alone for joint, alone in aucs if joint is not None and alone is not None)
    runs = [run for seed in plan.seeds for run in plan.runs_of(model.name, seed) if domain in run.spec.domains]
    faults, wanted = tuple(scores.faults(runs)), len(plan.seeds)
    joint, alone = (
        Score(tuple(auc for auc in found if auc is not None), wanted, faults)
        for found in (zip(*aucs, strict=True) if aucs else ((), ()))
    )
    gain, counts = Score(differences, wanted, faults), scores.test_counts(domain)
    of_pair = 0.0 if counts is None else counts.positives * (counts.rows - counts.positives)
    error, fault = None, ""
    if gain.std is not None:
        error = gain.std / sqrt(len(differences))
    elif differences:
        error, fault = _of_rows(findings, next(p for p, a in zip(pairs, aucs, strict=True) if None not in a), target)
    return Gain(joint, alone, gain, 1 / of_pair if of_pair else 0.0, error, fault)


def _run(scores: Scores, model: ModelFacts, seed: int, trained: tuple[str, ...]) -> PlannedRun | None:
    """The run that was trained on just these domains."""
    return next((run for run in scores.plan.runs_of(model.name, seed) if run.spec.domains == trained), None)


def _of_rows(
    findings: Findings, pair: tuple[PlannedRun | None, PlannedRun | None], target: Target
) -> tuple[float | None, str]:
    """DeLong's standard error of a difference between two runs; or why it is unknown."""
    from ctrbench.evaluation.significance import Placements, delong

    placements = []
    try:
        for run in pair:
            rows = None if run is None else scored(findings, run, target)
            if rows is None:
                return None, "a run has not been scored"
            placements.append(Placements.of(rows["label"].to_numpy(), rows["logit"].to_numpy()))
    except DataError as fault:
        return None, str(fault)
    found = delong(*placements).std
    return (None, "there are too few test rows of a class") if isnan(found) else (found, "")
