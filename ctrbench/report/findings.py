"""What a finished table is made from. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from ctrbench.bench.plan import Plan, PlannedRun
from ctrbench.bench.records import Record, RunFolder
from ctrbench.report.scores import Scores

if TYPE_CHECKING:
    from ctrbench.bench.spec import TableSpec
    from ctrbench.data.store import PreparedDataset


@dataclass(frozen=True)
class Findings:
    """A plan, the records of its runs (None where one is missing), and where predictions and rows can be read."""

    plan: Plan
    records: Sequence[Record | None]
    results: Path
    data: PreparedDataset

    @property
    def table(self) -> TableSpec:
        """The table that is asked for."""
        return self.plan.table

    @cached_property
    def scores(self) -> Scores:
        """The records, by what a table asks for; `DataError` when they were scored on different test rows."""
        return Scores(self.plan, self.records)

    def folder(self, run: PlannedRun) -> RunFolder:
        """Where a run's files lie."""
        return RunFolder.of(self.results, self.plan.dataset.name, run.spec)

    def predictions(self, run: PlannedRun) -> pl.LazyFrame:
        """split, domain, head, row_id, label, logit, true_probability: one row per scored row and head."""
        return pl.scan_parquet(self.folder(run).predictions)
