"""`ctrbench check TABLE ...`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ctrbench.bench.gpus import Place, place
from ctrbench.cli import options
from ctrbench.cli.output import console

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ctrbench.bench.estimate import Estimate
    from ctrbench.bench.plan import PlannedRun
    from ctrbench.cli.costs import Costed
    from ctrbench.cli.jobs import Jobs
    from ctrbench.data.store import PreparedDataset

HELP = "Validate every setting, and print the runs of tables and what they would cost. Trains and fetches nothing."


def configure(parser: argparse.ArgumentParser) -> None:
    """The same options as `run`, and the GPU that costs are for."""
    options.add_tables(parser)
    options.add_plan(parser)
    parser.add_argument(
        "--gpu",
        metavar="NAME",
        help="estimate GPU-hours on a named GPU, or several: A100, V100x8 (default: the profile's, else this machine)",
    )
    parser.set_defaults(stand_in=True)


def run(args: argparse.Namespace) -> int:
    """One line per run, each run once, and the totals of those that are left."""
    from ctrbench.backbones.known import architecture_suffices
    from ctrbench.cli.costs import footnotes, grid, heading, total
    from ctrbench.cli.jobs import jobs

    asked = place(args.gpu) if args.gpu else None
    with architecture_suffices():
        found = jobs(args)
    where = asked or _of_profile(found)
    costs = _costs(found, args.results)
    if costs:
        _print(grid(heading(found.jobs, len(costs)), costs, where, several=found.several))
        _print(total(costs, where))
        for note in footnotes(found.jobs, costs, where):
            _print(note)
    return found.tell(quiet=args.quiet)


def _of_profile(found: Jobs) -> Place | None:
    """The GPU that the tables' profile is meant for."""
    named = (job.table.profile(job.plan.profile).gpu for job in found.jobs)
    return next((place(name) for name in named if name is not None), None)


def _costs(found: Jobs, results: Path) -> list[Costed]:
    from ctrbench.bench.run import lacking, shared
    from ctrbench.cli.costs import Costed

    left = {run.spec.id for run, _ in lacking(found.work, results)}
    users: dict[str, list[str]] = {}
    for job in found.jobs:
        for id in dict.fromkeys(run.spec.id for run in job.plan.runs):
            users.setdefault(id, []).append(job.table.name)
    known: dict[str, Estimate] = {}
    return [
        Costed(
            run,
            data.count("train", run.spec.domains, run.spec.limit),
            _estimate(run, data, known),
            done=run.spec.id not in left,
            tables=tuple(users[run.spec.id]),
        )
        for run, data in shared(found.work)
    ]


def _estimate(run: PlannedRun, data: PreparedDataset, known: dict[str, Estimate]) -> Estimate:
    """Seeds cost alike."""
    from ctrbench.bench.estimate import estimate

    base = run.spec.base
    same = {"seed": 0, "base": base and base.model_copy(update={"seed": 0})}
    key = run.spec.model_copy(update=same).id
    if key not in known:
        known[key] = estimate(run, data)
    return known[key]


def _print(what: RenderableType) -> None:
    """To the terminal's width where there is one, else wide enough for whole lines."""
    console(width=None if sys.stdout.isatty() else 240, highlight=False).print(what, soft_wrap=isinstance(what, str))
