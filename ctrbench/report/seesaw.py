"""The seesaw measure: what each domain gains when a model is trained on all of them, not on it alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
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
UNCLEAR = "≈"
"""Stands where balance cannot be told from noise."""
ERRORS = 2
"""Standard errors that a loss is more than, to be one."""


def rule(seeds: int) -> str:
    """When a domain loses, of that many seeds."""
    how = "by DeLong, which knows nothing of the noise of training"
    if seeds > 1:
        how = "by a paired bootstrap of test rows, with the noise of training between seeds added"
    return (
        "gain: AUC of joint training minus that of the same architecture trained on the domain alone, per seed. A "
        f"domain loses where its mean gain is below the limit: minus {TOLERANCE:g}, or one pair of test rows (1 / "
        f"(positive * negative rows)), or {ERRORS} standard errors of the gain ({how}), whichever is most. Balance "
        f"holds where none loses, and cannot be told ({UNCLEAR}) where one falls short by what noise could make."
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
    """Why the error is unknown, where the gain is known."""

    @property
    def least(self) -> float:
        """The gain below which something seems to be lost."""
        return -max(TOLERANCE, self.pair)

    @property
    def limit(self) -> float:
        """The gain below which a domain loses."""
        return min(self.least, -ERRORS * (self.error or 0.0))

    @property
    def loses(self) -> bool | None:
        """Whether joint training costs the domain more than `rule` tolerates; None where that is unknown."""
        return None if self.gain.mean is None else self.gain.mean < self.limit

    @property
    def unclear(self) -> bool:
        """Whether it seems to cost something, which may be noise."""
        return self.gain.mean is not None and self.limit <= self.gain.mean < self.least


def gains(findings: Findings, model: ModelFacts) -> dict[str, Gain]:
    """Each training domain's gain, over the seeds that have both runs."""
    return {domain: _gain(findings, model, domain) for domain in findings.plan.domains}


def balanced(found: Mapping[str, Gain]) -> bool | None:
    """Whether no domain loses; None where that is unknown, or cannot be told from noise."""
    losses = [gain.loses for gain in found.values()]
    if any(losses):
        return False
    return None if None in losses or not losses or unclear(found) else True


def unclear(found: Mapping[str, Gain]) -> bool:
    """Whether balance is unknown because of noise alone."""
    losses = [gain.loses for gain in found.values()]
    return True not in losses and None not in losses and any(gain.unclear for gain in found.values())


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
    if differences:
        known = [pair for pair, found in zip(pairs, aucs, strict=True) if None not in found]
        error, fault = _error(findings, known, target)
    return Gain(joint, alone, gain, 1 / of_pair if of_pair else 0.0, error, fault)


def _run(scores: Scores, model: ModelFacts, seed: int, trained: tuple[str, ...]) -> PlannedRun | None:
    """The run that was trained on just these domains."""
    return next((run for run in scores.plan.runs_of(model.name, seed) if run.spec.domains == trained), None)


def _error(
    findings: Findings, pairs: Sequence[tuple[PlannedRun | None, PlannedRun | None]], target: Target
) -> tuple[float | None, str]:
    """The standard error of the mean difference within pairs of runs, one for each seed; or why it is unknown."""
    from ctrbench.evaluation.significance import Placements, delong, resampled

    placements: list[list[Placements]] = []
    try:
        for pair in pairs:
            found = [None if run is None else scored(findings, run, target) for run in pair]
            known = [rows for rows in found if rows is not None]
            if len(known) < len(found):
                return None, "a run has not been scored"
            placements.append([Placements.of(rows["label"].to_numpy(), rows["logit"].to_numpy()) for rows in known])
    except DataError as fault:
        return None, str(fault)
    if len(pairs) == 1:
        error = delong(*placements[0]).std
    else:
        joint, alone = resampled(list(zip(*placements, strict=True))).T
        error = float((joint - alone).std(ddof=1))
    return (None, "there are too few test rows of a class") if isnan(error) else (error, "")
