"""What a finished table is made from. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ctrbench.bench.folders import RunFolder
from ctrbench.bench.plan import Plan, PlannedRun
from ctrbench.bench.records import Record
from ctrbench.report.scores import Scores

if TYPE_CHECKING:
    import polars as pl

    from ctrbench.bench.spec import TableSpec
    from ctrbench.data.store import PreparedDataset

T = TypeVar("T")


@dataclass(frozen=True)
class Findings:
    """A plan, the records of its runs (None where one is missing), and where predictions and rows can be read."""

    plan: Plan
    records: Sequence[Record | None]
    results: Path
    data: PreparedDataset
    metric: str = "auc"
    """Which of `measures.METRICS` is asked for."""
    _made: dict[Callable[[Findings], Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def table(self) -> TableSpec:
        """The table that is asked for."""
        return self.plan.table

    @cached_property
    def scores(self) -> Scores:
        """The records, by what a table asks for; those that were scored on other test rows than most are failed."""
        return Scores(self.plan, self.records)

    def folder(self, run: PlannedRun) -> RunFolder:
        """Where a run's files lie."""
        return RunFolder.of(self.results, self.plan.dataset.name, run.spec)

    def predictions(self, run: PlannedRun) -> pl.LazyFrame:
        """split, domain, head, row_id, label, logit, true_probability: one row per scored row and head."""
        import polars as pl

        return pl.scan_parquet(self.folder(run).predictions)

    def once(self, make: Callable[[Findings], T]) -> T:
        """What `make` makes of these findings, made the first time only: several parts of a report ask for it."""
        if make not in self._made:
            self._made[make] = make(self)
        found: T = self._made[make]
        return found
