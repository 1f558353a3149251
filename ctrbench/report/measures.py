"""The metrics that a table can show, by name. All come from stored predictions: none costs a retraining."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """What one metric is called, and what is to be said below a table of it."""

    name: str
    title: str
    legend: str
    undefined: str
    """Why there may be no value."""
    lower_is_better: bool = False
    recorded: bool = False
    """Whether records hold it, so that no predictions need be read."""
    part: bool = False
    """Whether it is over some of the test rows only."""
    chance: float | None = None
    """What guessing reaches; None where that follows from the rows."""

    def praises(self, value: float | None) -> bool:
        """Whether a value may be called the best: guessing may not, whatever the others are."""
        return value is not None and (self.chance is None or value > self.chance)


AUC = Measure("auc", "AUC", "", "No AUC: the test rows are all of one class.", recorded=True, chance=0.5)
_COLD = (
    "Cold: not in any train row of the table's training domains (a new domain is none of these), so that all models "
    "are compared on the same rows."
)
_FEW = "those test rows are none, or all of one class."
MEASURES = {
    measure.name: measure
    for measure in (
        AUC,
        Measure(
            "logloss",
            "logloss",
            "logloss: mean binary cross-entropy in nats; lower is better.",
            "No logloss: there are no test rows.",
            lower_is_better=True,
            recorded=True,
        ),
        Measure(
            "pr_auc",
            "PR-AUC",
            "PR-AUC: average precision; without skill it is the share of positives, not 0.5.",
            "No PR-AUC: no test row is positive.",
        ),
        Measure(
            "gauc",
            "gAUC",
            "gAUC: AUC within each user, weighted by the user's test rows, over users with rows of both classes.",
            "No gAUC: no user has test rows of both classes.",
            part=True,
            chance=0.5,
        ),
        Measure(
            "ece",
            "ECE",
            "ECE: expected calibration error, the mean distance of predicted from observed click rates over 15 bins of "
            "equally many rows; lower is better, and a finite sample is never at 0.",
            "No ECE: there are no test rows.",
            lower_is_better=True,
        ),
        Measure("auc_cold_users", "AUC on cold users", _COLD, f"No AUC on cold users: {_FEW}", part=True, chance=0.5),
        Measure("auc_cold_items", "AUC on cold items", _COLD, f"No AUC on cold items: {_FEW}", part=True, chance=0.5),
        Measure(
            "auc_warm",
            "AUC on warm rows",
            f"Warm: neither user nor item is cold. {_COLD}",
            f"No AUC on warm rows: {_FEW}",
            part=True,
            chance=0.5,
        ),
    )
}
ALL = "all"
"""Asks for the AUC as shown, and every metric in the exports."""
METRICS = (*MEASURES, ALL)
METRIC_KINDS = ("main", "zero_shot", "new_domain")
"""The kinds of tables whose numbers are such metrics."""
