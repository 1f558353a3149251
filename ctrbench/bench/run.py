"""Run what tables still lack, one run after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ctrbench.bench import needs, records, turns
from ctrbench.bench.checks import Check, Checks
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.plan import Plan, PlannedRun, merged
from ctrbench.bench.records import DatasetFacts, Record
from ctrbench.bench.shared import ensure_writable, record_of_main
from ctrbench.bench.stored import fault, look
from ctrbench.training.processes import team
from ctrbench.training.watch import Watch, silent

if TYPE_CHECKING:
    from ctrbench.data.store import PreparedDataset


State = Literal["cached", "started", "done", "failed", "held", "taken"]
"""`held`: another command is at the run, which comes last; `taken`: that command ended it well."""


@dataclass(frozen=True)
class RunEvent:
    """A run's turn: it was there already, it starts, or it ended."""

    index: int
    """Counted from 0 in the plan's order."""
    total: int
    planned: PlannedRun
    state: State
    record: Record | None = None


OnRun = Callable[[RunEvent], None]


@dataclass(frozen=True)
class Outlook:
    """What is before a command, when it has looked at what there is."""

    tables: Mapping[str, int]
    """Each table with its number of runs, some of which may be another one's, too."""
    runs: Sequence[PlannedRun]
    """Each once."""
    records: Sequence[Record | None]
    """What there is of them."""
    todo: Sequence[bool]
    """Which of them are to be done."""


OnPlan = Callable[[Outlook], None]


Work = Sequence[tuple[Plan, "PreparedDataset"]]
"""Plans, each with the data that it was made for."""


def run_table(
    plan: Plan,
    data: PreparedDataset,
    results: Path,
    watch: Watch = silent,
    on_run: OnRun = lambda event: None,
) -> list[Record]:
    """The records of one table's runs, each once, in the plan's order; see `run_plans`."""
    return run_plans([(plan, data)], results, watch, on_run)


def run_plans(
    work: Work,
    results: Path,
    watch: Watch = silent,
    on_run: OnRun = lambda event: None,
    on_plan: OnPlan = lambda outlook: None,
    check: Check | None = None,
) -> list[Record]:
    """The records of all runs of all plans, each once, as in `shared`; trains (or scores) only what is missing.

    A failed run is recorded, and the others go on; it is tried again the next time. What another command does in the
    meantime is not done again, even where it failed. `KeyboardInterrupt` and `OutputError` end the call; what is done
    stays done. A `CtrbenchError` names a setting that does not fit, a backbone that cannot be found (`check` looks for
    them), or a folder that cannot be written, before anything is spent.

    Under a launcher, every process calls this; they train and score together, and the main one's files decide.
    """
    processes, runs = team(), shared(work)
    found = [record_of_main(processes, partial(_stored, data, run, results)) for run, data in runs]
    todo = processes.on_main(lambda: _todo(runs, found, results))
    if any(todo):
        ensure_writable(results, processes)
        with processes.together():
            (check or Checks())([one for one, missing in zip(runs, todo, strict=True) if missing])
    on_plan(Outlook(_sizes(work), [run for run, _ in runs], found, todo))
    total, finished = len(runs), list(found)
    closed = processes.on_main(lambda: _closed(runs, todo, results))

    def tell(index: int, state: State, record: Record | None = None) -> None:
        on_run(RunEvent(index, total, runs[index][0], state, record))

    def do(index: int) -> None:
        run, data = runs[index]
        record = record_of_main(processes, partial(_stored, data, run, results))
        if processes.on_main(lambda: record != found[index] and _settled(run, data, record, results)):
            tell(index, "failed" if record is None or record.status == "failed" else "taken", record)
        elif processes.on_main(lambda: _whole(run, data, record, results)):
            tell(index, "cached", record)
        else:
            tell(index, "started")
            record = _execute(run, data, results, watch)
            tell(index, record.status, record)
        finished[index] = record

    for index, (run, data) in enumerate(runs):
        if not todo[index]:
            processes.on_main(partial(turns.tidy, _folder(data, run, results)))
            tell(index, "cached", found[index])
        elif index in closed:
            tell(index, "failed", found[index])
    left = {
        index: _folder(data, run, results)
        for index, (run, data) in enumerate(runs)
        if todo[index] and index not in closed
    }
    bases = {index: run.spec.base.id for index, (run, _) in enumerate(runs) if run.spec.base is not None}
    turns.each(left, bases, processes, do, lambda index: tell(index, "held"))
    return [record for record in finished if record is not None]


def _sizes(work: Work) -> dict[str, int]:
    return {plan.table.name: len({run.spec.id for run in plan.runs}) for plan, _ in work}


def shared(work: Work) -> list[tuple[PlannedRun, PreparedDataset]]:
    """Each run of all plans once, with all that any plan wants to know of it, in the order of first mention."""
    data = {run.spec.id: data for plan, data in reversed(work) for run in plan.runs}
    return [(run, data[run.spec.id]) for run in merged(run for plan, _ in work for run in plan.runs)]


def lacking(work: Work, results: Path) -> list[tuple[PlannedRun, PreparedDataset]]:
    """What is left to run."""
    return [one for one in shared(work) if not _whole(*one, _stored(one[1], one[0], results), results)]


def stored(plan: Plan, results: Path) -> list[Record | None]:
    """What there is already, for each of the plan's runs; None where a run was never finished.

    A record that cannot be used is a failed one, and a warning says why.
    """
    found = {run.spec.id: look(results, plan.dataset, run.spec, say=True) for run in merged(plan.runs)}
    return [found[run.spec.id] for run in plan.runs]


def _stored(data: PreparedDataset, run: PlannedRun, results: Path) -> Record | None:
    return look(results, DatasetFacts.of(data), run.spec)


def _folder(data: PreparedDataset, run: PlannedRun, results: Path) -> RunFolder:
    return RunFolder.of(results, data.manifest.source, run.spec)


def _whole(run: PlannedRun, data: PreparedDataset, record: Record | None, results: Path) -> bool:
    """Whether a run is done, its targets are scored, and what else it needs is on disk."""
    return records.complete(record, run.targets) and not needs.lacking(_folder(data, run, results), run.needs)


def _todo(
    runs: Sequence[tuple[PlannedRun, PreparedDataset]], found: Sequence[Record | None], results: Path
) -> list[bool]:
    """Which runs are to be looked at in turn: what is not whole, and what builds on that, for it may change."""
    begun: set[str] = set()
    for (run, data), record in zip(runs, found, strict=True):
        based = run.spec.base is not None and run.spec.base.id in begun
        if based or not _whole(run, data, record, results):
            begun.add(run.spec.id)
    return [run.spec.id in begun for run, _ in runs]


def _settled(run: PlannedRun, data: PreparedDataset, record: Record | None, results: Path) -> bool:
    """Whether what another command has just written leaves nothing to do."""
    failed = record is not None and record.status == "failed"
    return failed or _whole(run, data, record, results)


def _closed(runs: Sequence[tuple[PlannedRun, PreparedDataset]], todo: Sequence[bool], results: Path) -> list[int]:
    """Runs with a record that only somebody else can read: to do them again would destroy it."""
    faults = [
        fault(results, DatasetFacts.of(data), run.spec) if missing else None
        for (run, data), missing in zip(runs, todo, strict=True)
    ]
    return [index for index, found in enumerate(faults) if found is not None and not found.spoilt]


def _execute(planned: PlannedRun, data: PreparedDataset, results: Path, watch: Watch) -> Record:
    # Imported here because an all-cached table needs no trainer, and must answer at once.
    from ctrbench.bench.execute import execute

    return execute(planned, data, results, watch)
