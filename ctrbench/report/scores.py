"""Look-ups in a plan's records: AUC over seeds, costs of a row, faults. Nothing here imports torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import fmean, stdev

from ctrbench.bench.plan import ModelFacts, Plan, PlannedRun
from ctrbench.bench.records import Metrics, Record, Target
from ctrbench.errors import DataError

Read = Callable[[PlannedRun, Target], float | None]
"""A number of one scored target; None where it is not defined, `DataError` where it cannot be had."""


@dataclass(frozen=True)
class Score:
    """One number over seeds, and why it may not be whole."""

    values: tuple[float, ...] = ()
    wanted: int = 0
    """How many seeds there should be."""
    faults: tuple[str, ...] = ()
    """One sentence for each failed run, or result that cannot be read."""
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
        found = {record.id: record for record in records if record is not None}
        self.records = {record.id: record for record in comparable(found.values())}

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

    def auc(self, run: PlannedRun, target: Target) -> float | None:
        """A target's AUC, None where it was not scored, or has none."""
        metrics = self.metric(run, target)
        return metrics.auc if metrics is not None else None

    def own(self, model: ModelFacts, domain: str, read: Read | None = None) -> Score:
        """A trained domain's test AUC through its own head, or what `read` has of it."""
        runs = [self.run(model, seed, domain) for seed in self.plan.seeds]
        return self.score(runs, Target("test", domain, "own"), read)

    def score(self, runs: Sequence[PlannedRun], target: Target, read: Read | None = None) -> Score:
        """One number over runs that differ in their seed: the AUC of a target, or what `read` has of it."""
        faults, values = list(self.faults(runs)), list[float | None]()
        for run in runs:
            if self.metric(run, target) is None:
                continue
            try:
                values.append((read or self.auc)(run, target))
            except DataError as error:
                faults.append(str(error))
        known = tuple(value for value in values if value is not None)
        return Score(known, len(runs), tuple(faults), undefined=len(values) - len(known))

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


def comparable(records: Iterable[Record]) -> list[Record]:
    """The records, of which those that were scored on other test rows than most are failed ones.

    Where two are as many, the earlier records count.
    """
    found = list(records)
    votes: dict[str, Counter[str]] = {}
    for record in found:
        for domain, test_hash in record.rows.test_hash.items():
            votes.setdefault(domain, Counter())[test_hash] += 1
    usual = {domain: counted.most_common(1)[0][0] for domain, counted in votes.items()}
    return [_of_same_rows(record, usual) for record in found]


def _of_same_rows(record: Record, usual: Mapping[str, str]) -> Record:
    odd = [domain for domain, test_hash in record.rows.test_hash.items() if test_hash != usual[domain]]
    if not odd:
        return record
    error = (
        f"its test rows of {', '.join(odd)} are not those of the other runs, so it cannot be compared; "
        f"`ctrbench results rm {record.id}`, and run it again"
    )
    return record.model_copy(update={"status": "failed", "error": error, "metrics": {}})


@dataclass(frozen=True)
class RowCost:
    """What one row of a table costs: sums over its runs, means over seeds. Training time is without validation."""

    parameters: float | None = None
    parameters_trained: float | None = None
    train_seconds: float | None = None
    rows_per_s: float | None = None
    score_us_per_row: float | None = None
    """Mean of the runs."""
    peak_memory_mb: float | None = None
    """Of the run that needs most."""
    energy_wh: float | None = None


def row_cost(scores: Scores, model: ModelFacts) -> RowCost:
    """A row's cost, over the seeds whose runs are all done."""
    return cost_of(scores, [scores.plan.runs_of(model.name, seed) for seed in scores.plan.seeds])


def cost_of(scores: Scores, runs: Iterable[Sequence[PlannedRun]]) -> RowCost:
    """The cost of each seed's runs together, over the seeds whose runs are all done."""
    per_seed = []
    for of_seed in runs:
        found = [scores.record(run) for run in of_seed]
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
        score_us_per_row=_mean([cost.score_us_per_row for cost in costs]),
        peak_memory_mb=max((cost.peak_memory_mb for cost in costs if cost.peak_memory_mb is not None), default=None),
        energy_wh=_total([cost.energy_wh for cost in costs]),
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
