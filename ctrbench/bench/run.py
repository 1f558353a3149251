"""Run what a table still lacks, one run after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ctrbench.bench import records
from ctrbench.bench.plan import Plan, PlannedRun, merged
from ctrbench.bench.records import Record
from ctrbench.bench.shared import ensure_writable, record_of_main
from ctrbench.training.processes import team
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
    """The records of all runs, each once, in the plan's order; trains (or scores) only what is missing.

    A failed run is recorded, and the others go on; it is tried again the next time. `KeyboardInterrupt` and
    `OutputError` end the table; what is done stays done. A `CtrbenchError` names a setting that does
    not fit, a backbone that cannot be found, or a folder that cannot be written, before anything is spent.

    Under a launcher, every process calls this; they train and score together, and the main one's files decide.
    """
    processes, runs = team(), merged(plan.runs)
    found = [record_of_main(processes, partial(_stored, plan, run, results)) for run in runs]
    missing = [p for p, r in zip(runs, found, strict=True) if not records.complete(r, p.targets)]
    if missing:
        ensure_writable(results, processes)
        with processes.together():
            check(missing, data)
    total = len(runs)
    for index, (planned, record) in enumerate(zip(runs, found, strict=True)):
        if record is not None and records.complete(record, planned.targets):
            on_run(RunEvent(index, total, planned, "cached", record))
    finished: list[Record] = []
    for index, (planned, record) in enumerate(zip(runs, found, strict=True)):
        if record is None or not records.complete(record, planned.targets):
            on_run(RunEvent(index, total, planned, "started"))
            record = _execute(planned, data, results, watch)
            on_run(RunEvent(index, total, planned, record.status, record))
        finished.append(record)
    return finished


def check(missing: Iterable[PlannedRun], data: PreparedDataset) -> None:
    """Settings that do not fit, and backbones that cannot be found, end the table before anything is spent."""
    from ctrbench.bench import build  # imports transformers and peft for a language model

    one_each = {(run.spec.model, json.dumps(run.spec.config)): run.spec for run in missing}
    for spec in one_each.values():
        build.check(spec, data)


def lacking(plan: Plan, results: Path) -> list[PlannedRun]:
    """What is left to run."""
    found = ((run, _stored(plan, run, results)) for run in merged(plan.runs))
    return [run for run, record in found if not records.complete(record, run.targets)]


def stored(plan: Plan, results: Path) -> list[Record | None]:
    """What there is already, for each of the plan's runs; None where a run was never finished."""
    return [_stored(plan, run, results) for run in plan.runs]


def _stored(plan: Plan, run: PlannedRun, results: Path) -> Record | None:
    return records.load(results, plan.dataset.name, run.spec)


def _execute(planned: PlannedRun, data: PreparedDataset, results: Path, watch: Watch) -> Record:
    # Imported here because an all-cached table needs no trainer, and must answer at once.
    from ctrbench.bench.execute import execute

    return execute(planned, data, results, watch)
