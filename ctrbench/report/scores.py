"""Look-ups in a plan's records: AUC over seeds, costs of a row, faults. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from statistics import fmean, stdev

from ctrbench.bench.plan import ModelFacts, Plan, PlannedRun
from ctrbench.bench.records import Metrics, Record, Target
from ctrbench.errors import DataError


@dataclass(frozen=True)
class Score:
    """One number over seeds, and why it may not be whole."""

    values: tuple[float, ...] = ()
    wanted: int = 0
    """How many seeds there should be."""
    faults: tuple[str, ...] = ()
    """One sentence for each failed run."""
    undefined: int = 0
    """How many seeds were scored without a result: an AUC needs rows of both classes."""

    @property
    def mean(self) -> float | None:
        """Mean over the seeds that there are."""
        return fmean(self.values) if self.values else None

    @property
    def std(self) -> float | None:
        """Sample standard deviation over seeds, of two or more."""
        return stdev(self.values) if len(self.values) > 1 else None

    @property
    def status(self) -> str:
        """`done`, `partial` (some seeds are missing), `failed`, or `missing`."""
        if self.faults:
            return "failed"
        if len(self.values) + self.undefined == self.wanted:
            return "done"
        return "partial" if self.values else "missing"


class Scores:
    """The records of a plan, by what a table asks for."""

    def __init__(self, plan: Plan, records: Iterable[Record | None]) -> None:
        self.plan = plan
        self.records = {record.id: record for record in records if record is not None}
        self._check_test_rows()

    def record(self, run: PlannedRun) -> Record | None:
        """A run's record, failed or not."""
        return self.records.get(run.spec.id)

    def run(self, model: ModelFacts, seed: int, domain: str) -> PlannedRun:
        """The run that trained a model on a domain."""
        return next(r for r in self.plan.runs_of(model.name, seed) if domain in r.spec.domains)

    def metric(self, run: PlannedRun, target: Target) -> Metrics | None:
        """A target's metrics, None where it was not scored."""
        record = self.record(run)
        return record.metric(target) if record is not None else None

    def own(self, model: ModelFacts, domain: str) -> Score:
        """A trained domain's test AUC through its own head."""
        runs = [self.run(model, seed, domain) for seed in self.plan.seeds]
        found = [self.metric(run, Target("test", domain, "own")) for run in runs]
        scored = [metrics.auc for metrics in found if metrics is not None]
        known = tuple(auc for auc in scored if auc is not None)
        return Score(known, len(runs), tuple(self.faults(runs)), undefined=len(scored) - len(known))

    def faults(self, runs: Iterable[PlannedRun]) -> Iterator[str]:
        """One sentence for each failed run."""
        for run in runs:
            record = self.record(run)
            if record is not None and record.status == "failed":
                where = ", ".join(run.spec.domains)
                error = " ".join((record.error or "unknown error").split())
                yield f"{run.spec.model} on {where}, seed {run.spec.seed}, failed: {error}"

    def oracle(self, domain: str) -> float | None:
        """The AUC of a model that knows each row's true probability; None for real data."""
        found = (record.metric(Target("test", domain, "oracle")) for record in self.records.values())
        return next((metrics.auc for metrics in found if metrics is not None), None)

    def test_counts(self, domain: str) -> Metrics | None:
        """Any metrics of a domain's test rows: how many there are, and how many of them positive."""
        for record in self.records.values():
            for found in record.metrics.get("test", {}).get(domain, {}).values():
                return found
        return None

    def test_rows(self, domain: str) -> int | None:
        """How many test rows a domain has."""
        counts = self.test_counts(domain)
        return counts.rows if counts is not None else None

    def _check_test_rows(self) -> None:
        """Raise `DataError` when two runs were scored on different test rows of a domain."""
        hashes: dict[str, tuple[str, Record]] = {}
        for record in self.records.values():
            for domain, found in record.rows.test_hash.items():
                first, other = hashes.setdefault(domain, (found, record))
                if found != first:
                    raise DataError(
                        f"the test rows of {domain!r} differ between {_name(other)} and {_name(record)}, so "
                        "they cannot be compared; delete one of them, or choose another --results folder"
                    )


@dataclass(frozen=True)
class RowCost:
    """What one row of a table costs: sums over its runs, means over seeds. Training time is without validation."""

    parameters: float | None = None
    parameters_trained: float | None = None
    train_seconds: float | None = None
    rows_per_s: float | None = None


def row_cost(scores: Scores, model: ModelFacts) -> RowCost:
    """A row's cost, over the seeds whose runs are all done."""
    per_seed = []
    for seed in scores.plan.seeds:
        found = [scores.record(run) for run in scores.plan.runs_of(model.name, seed)]
        done = [record for record in found if record is not None and record.status == "done"]
        if done and len(done) == len(found):
            per_seed.append(_sum(done))
    means = {key.name: _mean([getattr(cost, key.name) for cost in per_seed]) for key in fields(RowCost)}
    whole = {key: round(value) for key, value in means.items() if "parameters" in key and value is not None}
    return RowCost(**{**means, **whole})


def _sum(records: Sequence[Record]) -> RowCost:
    costs = [record.cost for record in records]
    seconds = _total([cost.train_seconds for cost in costs])
    rows = _total([_product(cost.rows_per_s, cost.train_seconds) for cost in costs])
    return RowCost(
        parameters=_total([cost.parameters for cost in costs]),
        parameters_trained=_total([cost.parameters_trained for cost in costs]),
        train_seconds=seconds,
        rows_per_s=rows / seconds if rows is not None and seconds else None,
    )


def _product(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a * b


def _total(values: Sequence[float | None]) -> float | None:
    """The sum, unknown when a part is."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _name(record: Record) -> str:
    return f"{record.spec.model} (run {record.id})"
