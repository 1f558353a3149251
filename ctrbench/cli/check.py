"""`ctrbench check TABLE`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrbench.cli import options
from ctrbench.cli.output import console
from ctrbench.cli.telling import clock
from ctrbench.report.grid import count

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ctrbench.bench.estimate import Estimate
    from ctrbench.bench.plan import PlannedRun

HELP = "Validate every setting, and print a table's runs and what they would cost. Trains nothing."
NUMBERS = ("rows", "epochs", "steps", "params", "trained", "FLOPs", "weights", "time", "download")


def configure(parser: argparse.ArgumentParser) -> None:
    """The same options as `run`."""
    options.add_table(parser)
    options.add_plan(parser)


def run(args: argparse.Namespace) -> int:
    """One line per run, and the totals of those that are left."""
    job = options.job(args, args.table)
    from ctrbench.bench.estimate import estimate

    done = _done(job, args.results)
    estimates = [estimate(planned, job.data) for planned in job.plan.runs]
    rows = [job.data.count("train", r.spec.domains, r.spec.limit) for r in job.plan.runs]
    _print(_grid(job, rows, estimates, done))
    _print(_total(job.plan.runs, estimates, done))
    return 0


def _done(job: options.Job, results: Path) -> list[bool]:
    from ctrbench.bench.records import complete
    from ctrbench.bench.run import stored

    found = stored(job.plan, results)
    return [complete(record, run.targets) for record, run in zip(found, job.plan.runs, strict=True)]


def _grid(job: options.Job, rows: Sequence[int], estimates: Sequence[Estimate], done: Sequence[bool]) -> RenderableType:
    from rich import box
    from rich.table import Table

    plan = job.plan
    runs = "1 run" if len(plan.runs) == 1 else f"{len(plan.runs)} runs"
    heading = f"{job.table.name} on {plan.dataset.name}, profile {plan.profile}: {runs}"
    grid = Table(title=heading, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("model", "domains", "seed"):
        grid.add_column(name)
    for name in NUMBERS:
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("state")
    for run, height, guess, finished in zip(plan.runs, rows, estimates, done, strict=True):
        spec = run.spec
        state = "done" if finished else "to do"
        numbers = _numbers(run, height, guess)
        grid.add_row(spec.model, "\n".join(spec.domains), str(spec.seed), *numbers, state)
    return grid


def _numbers(run: PlannedRun, rows: int, guess: Estimate) -> list[str]:
    epochs = run.spec.train.get("epochs")
    return [
        f"{rows:,}",
        "?" if epochs is None else str(epochs),
        _known(guess.steps, lambda steps: f"{steps:,}"),
        _known(guess.parameters, count),
        _known(guess.parameters_trained, count),
        _known(guess.flops, lambda flops: f"{flops:.1e}"),
        _known(guess.memory_bytes, size),
        _known(guess.seconds, clock),
        _known(guess.download_bytes, lambda amount: size(amount) if amount else "-"),
    ]


def _total(runs: Sequence[PlannedRun], estimates: Sequence[Estimate], done: Sequence[bool]) -> str:
    """What is left to spend. Runs of one model share a download, and runs follow each other in memory."""
    left = [(run, guess) for run, guess, finished in zip(runs, estimates, done, strict=True) if not finished]
    if not left:
        return "Nothing is left to do: every run is done."
    guesses = [guess for _, guess in left]
    downloads = {run.spec.model: guess.download_bytes for run, guess in left}
    return (
        f"To do: {len(left)} of {len(runs)} runs; "
        f"steps {_sum([g.steps for g in guesses], lambda steps: f'{steps:,}')}, "
        f"FLOPs {_sum([g.flops for g in guesses], lambda flops: f'{flops:.1e}')}, "
        f"time {_sum([g.seconds for g in guesses], clock)}, "
        f"weights {_largest([g.memory_bytes for g in guesses])}, "
        f"download {_sum(list(downloads.values()), size)}. All of it is estimated, without early stopping; "
        "weights are with gradients and optimizer, and activations need memory beside them."
    )


def _known(value: Any, show: Any) -> str:
    return "?" if value is None else str(show(value))


def _sum(values: Sequence[Any], show: Any) -> str:
    """The sum of what is known, and a mark where something is not."""
    known = [value for value in values if value is not None]
    if not known:
        return "unknown"
    return str(show(sum(known))) + (" or more" if len(known) < len(values) else "")


def _largest(values: Sequence[Any]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "unknown"
    return f"{size(max(known))}{' or more' if len(known) < len(values) else ''}"


def size(amount: float) -> str:
    """Bytes in the unit that fits: 1.5 GiB."""
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def _print(what: RenderableType) -> None:
    """To the terminal's width where there is one, else wide enough for a whole line."""
    console(width=None if sys.stdout.isatty() else 140, highlight=False).print(what, soft_wrap=isinstance(what, str))
