"""Run what a table still lacks, one run after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ctrbench import registry
from ctrbench.bench import records
from ctrbench.bench.plan import Plan, PlannedRun
from ctrbench.bench.records import Record
from ctrbench.training.watch import Watch, silent

if TYPE_CHECKING:
    from ctrbench.data.store import PreparedDataset


@dataclass(frozen=True)
class RunEvent:
    """A run's turn: it was there already, it starts, or it ended."""

    index: int
    """Counted from 0 in the plan's order."""
    total: int
    planned: PlannedRun
    state: Literal["cached", "started", "done", "failed"]
    record: Record | None = None


OnRun = Callable[[RunEvent], None]


def run_table(
    plan: Plan,
    data: PreparedDataset,
    results: Path,
    watch: Watch = silent,
    on_run: OnRun = lambda event: None,
) -> list[Record]:
    """The records of all runs, in the plan's order; trains (or scores) only what is missing.

    A failed run is recorded, and the others go on; it is tried again the next time. `KeyboardInterrupt` and
    `OutputError` end the table; what is done stays done. A `CtrbenchError` names what a model needs and is not
    there, such as its backbone, or a folder that cannot be written, before anything is spent.
    """
    found = stored(plan, results)
    missing = [p for p, r in zip(plan.runs, found, strict=True) if not records.complete(r, p.targets)]
    if missing:
        records.ensure_writable(results)
        _look_for_needs(missing)
    total = len(plan.runs)
    for index, (planned, record) in enumerate(zip(plan.runs, found, strict=True)):
        if record is not None and records.complete(record, planned.targets):
            on_run(RunEvent(index, total, planned, "cached", record))
    finished: list[Record] = []
    for index, (planned, record) in enumerate(zip(plan.runs, found, strict=True)):
        if record is None or not records.complete(record, planned.targets):
            on_run(RunEvent(index, total, planned, "started"))
            record = _execute(planned, data, results, watch)
            on_run(RunEvent(index, total, planned, record.status, record))
        finished.append(record)
    return finished


def _look_for_needs(missing: Iterable[PlannedRun]) -> None:
    for model, config in dict.fromkeys((run.spec.model, json.dumps(run.spec.config)) for run in missing):
        kind = registry.load("models", model)
        kind.featurizer(kind.Config.model_validate_json(config))


def stored(plan: Plan, results: Path) -> list[Record | None]:
    """What there is already, in the plan's order; None where a run was never finished."""
    return [records.load(results, plan.dataset.name, run.spec) for run in plan.runs]


def _execute(planned: PlannedRun, data: PreparedDataset, results: Path, watch: Watch) -> Record:
    # Imported here because an all-cached table needs no trainer, and must answer at once.
    from ctrbench.bench.execute import execute

    return execute(planned, data, results, watch)
