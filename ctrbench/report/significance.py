"""Every row of a table against its reference, on the same test rows. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ctrbench.bench.records import Target
from ctrbench.errors import DataError
from ctrbench.evaluation.significance import Estimate, Placements, auc_estimate, delong, holm, resampled
from ctrbench.report.predictions import scored

if TYPE_CHECKING:
    import polars as pl

    from ctrbench.bench.plan import ModelFacts, Plan
    from ctrbench.report.findings import Findings

ALPHA = 0.05
"""Below it, an adjusted p-value makes a difference significant."""
DELONG, BOOTSTRAP = "delong", "bootstrap"
NUMBERS = ("auc_ci_low", "auc_ci_high", "difference", "difference_ci_low", "difference_ci_high", "p", "p_holm")
NO_VARIATION = "there are too few test rows of a class, or no variation in them, to judge a difference by"


def comparisons(findings: Findings) -> pl.DataFrame:
    """Each row and domain of the table, be it trained or new: AUC with its interval, and the reference's lead over it.

    `row`, `domain`, `seeds`, `auc`, `auc_ci_low`, `auc_ci_high`, `difference` (reference minus row) with
    `difference_ci_low` and `difference_ci_high`, `p` (two-sided), `p_holm` (adjusted for all comparisons of the table),
    `test` ("delong" with one seed, else "bootstrap"), and `fault`: one sentence where there are predictions missing.
    Intervals are at 95 % and not adjusted. What is not known is null; the reference has no difference.
    """
    return findings.once(_comparisons)


def compared(plan: Plan) -> set[tuple[str, str]]:
    """The rows and domains that a table compares with its reference, be there numbers of them or not."""
    every = {(run.row, domain) for run in plan.runs for domain in run.spec.domains}
    return {(row, domain) for row, domain in every if row != plan.table.reference and domain in judged(plan)}


def judged(plan: Plan) -> tuple[str, ...]:
    """The domains that rows are compared on."""
    return plan.targets if plan.table.kind == "new_domain" else plan.domains


def _comparisons(findings: Findings) -> pl.DataFrame:
    import polars as pl

    plan = findings.plan
    lines = [line for domain in judged(plan) for line in _Domain(findings, domain).lines()]
    text = dict.fromkeys(("row", "domain", "test", "fault"), pl.String)
    schema = {**text, "seeds": pl.Int64, "auc": pl.Float64, **dict.fromkeys(NUMBERS, pl.Float64)}
    frame = pl.DataFrame(lines, schema)
    # A comparison that is still to be made counts, too: what is significant without it is so with it.
    wanted = compared(plan)
    planned = [pair in wanted for pair in frame.select("row", "domain").rows()]
    adjusted = holm(np.where(planned, frame["p"].fill_null(1.0).to_numpy(), np.nan))
    frame = frame.with_columns(p_holm=pl.when(pl.col("p").is_not_null()).then(pl.Series(adjusted)))
    return frame.select("row", "domain", "seeds", "auc", *NUMBERS, "test", "fault")


@dataclass
class _Domain:
    """One domain's scored rows, by the table's rows."""

    findings: Findings
    domain: str
    placements: dict[str, list[Placements]] = field(default_factory=dict)
    """One for each seed that there is."""
    faults: dict[str, str] = field(default_factory=dict)
    rows: pl.DataFrame | None = None
    """`row_id` and `label` of the first predictions that were read: all others are to have the same."""

    def lines(self) -> list[dict[str, Any]]:
        """One for each row of the table; without `p_holm`."""
        plan = self.findings.plan
        # The reference comes first: its rows decide which ones the others' have to be.
        for model in sorted(plan.models, key=lambda model: model.name != plan.table.reference):
            try:
                self.placements[model.name] = self._read(model)
            except DataError as error:
                self.faults[model.name] = str(error)
        known = [name for name, found in self.placements.items() if found]
        several = len(plan.seeds) > 1
        estimates = self._over_seeds(known) if several else self._one_seed(known)
        test = BOOTSTRAP if several else DELONG
        return [self._line(model.name, test, *estimates.get(model.name, (None, None))) for model in plan.models]

    def _read(self, model: ModelFacts) -> list[Placements]:
        found, plan = [], self.findings.plan
        every = [run for seed in plan.seeds for run in plan.runs_of(model.name, seed)]
        for run in (run for run in every if self.domain in run.spec.domains):
            rows = scored(self.findings, run, Target("test", self.domain, "own"))
            if rows is None:
                continue
            if self.rows is None:
                self.rows = rows.select("row_id", "label")
            if not rows.select("row_id", "label").equals(self.rows):
                raise DataError(
                    f"the predictions of {model.name} on {self.domain}, seed {run.spec.seed}, are of other test rows "
                    f"than those of other rows of the table: `ctrbench results rm {run.spec.id}`, and run it again"
                )
            label, logit = rows["label"].to_numpy(), rows["logit"].to_numpy()
            if 0 < label.sum() < len(label):
                found.append(Placements.of(label, logit))
        return found

    def _one_seed(self, known: Sequence[str]) -> dict[str, tuple[Estimate, Estimate | None]]:
        """Each row's AUC, and the reference's difference from it, by DeLong."""
        one = {name: self.placements[name][0] for name in known}
        reference = one.get(self.findings.table.reference)
        return {
            name: (auc_estimate(found), None if reference is None else delong(reference, found))
            for name, found in one.items()
        }

    def _over_seeds(self, known: Sequence[str]) -> dict[str, tuple[Estimate, Estimate | None]]:
        """The same of means over seeds, by a bootstrap of rows and seeds."""
        if not known:
            return {}
        draws = dict(zip(known, resampled([self.placements[name] for name in known]).T, strict=True))
        mean = {name: float(np.mean([one.auc for one in self.placements[name]])) for name in known}
        reference = self.findings.table.reference
        return {
            name: (
                Estimate(mean[name], float(draws[name].std(ddof=1))),
                Estimate(mean[reference] - mean[name], float((draws[reference] - draws[name]).std(ddof=1)))
                if reference in mean
                else None,
            )
            for name in known
        }

    def _line(self, name: str, test: str, auc: Estimate | None, difference: Estimate | None) -> dict[str, Any]:
        values: dict[str, Any] = {"row": name, "domain": self.domain, "fault": self.faults.get(name)}
        values["seeds"] = len(self.placements.get(name, ()))
        reference = self.findings.table.reference
        if auc is not None:
            low, high = auc.interval
            values |= {"auc": auc.value, "auc_ci_low": max(low, 0.0), "auc_ci_high": min(high, 1.0)}
        if difference is not None and name != reference:
            low, high = difference.interval
            values |= {"difference": difference.value, "difference_ci_low": low, "difference_ci_high": high}
            values |= {"p": difference.p, "test": test}
            if np.isnan(difference.p):
                values["fault"] = NO_VARIATION
        elif reference in self.faults and name != reference:
            values["fault"] = values["fault"] or self.faults[reference]
        return {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in values.items()}
