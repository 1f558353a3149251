"""`ctrbench check TABLE ...`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ctrbench.bench.gpus import Place, place
from ctrbench.cli import options
from ctrbench.cli.output import console
from ctrbench.cli.stages import telling
from ctrbench.data.progress import Stage

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ctrbench.bench.estimate import Estimate
    from ctrbench.bench.plan import PlannedRun
    from ctrbench.cli.costs import Costed
    from ctrbench.cli.job import Job
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
    """One line per run, each run once, table by table as they are ready, and the totals of what is left."""
    from ctrbench.backbones.known import architecture_suffices
    from ctrbench.bench.run import shared
    from ctrbench.cli.costs import footnotes, grid, heading, total
    from ctrbench.cli.jobs import jobs

    asked = place(args.gpu) if args.gpu else None
    with architecture_suffices():
        found = jobs(args)
    where = asked or _of_profile(found)
    every: list[Costed] = []
    costing = _Costing.of(found, args)
    if found.jobs:
        _print(heading(found.jobs, len(shared(found.work))))
    for job in found.jobs:
        with found.one(job.table.name):
            costs = costing.new_of(job)
            every += costs
            title = _title(job, len(costs)) if found.several else ""
            _print(grid(title, costs, where, several=found.several) if costs else title)
    if every:
        _print(total(every, where))
        for note in footnotes(found.jobs, every, where):
            _print(note)
    return found.tell(quiet=args.quiet)


def _title(job: Job, new: int) -> str:
    """`mine: 40 runs, 28 of them above`."""
    every = len({run.spec.id for run in job.plan.runs})
    above = "" if new == every else ", all of them above" if not new else f", {every - new} of them above"
    return f"{job.table.name}: {every} run{'' if every == 1 else 's'}{above}"


def _of_profile(found: Jobs) -> Place | None:
    """The GPU that the tables' profile is meant for."""
    named = (job.table.profile(job.plan.profile).gpu for job in found.jobs)
    return next((place(name) for name in named if name is not None), None)


@dataclass
class _Costing:
    """What runs cost, each of them once."""

    found: Jobs
    left: set[str]
    """Ids of runs that are to be done."""
    quiet: bool
    known: dict[str, Estimate] = field(default_factory=dict)
    """What runs cost that differ by their seeds alone."""
    told: set[str] = field(default_factory=set)
    """Ids of runs of former tables."""

    @classmethod
    def of(cls, found: Jobs, args: argparse.Namespace) -> _Costing:
        from ctrbench.bench.run import lacking

        return cls(found, {run.spec.id for run, _ in lacking(found.work, args.results)}, args.quiet)

    def new_of(self, job: Job) -> list[Costed]:
        """The runs that no table before had. A `CtrbenchError` names the row that does not fit."""
        from ctrbench.bench.checks import naming_row
        from ctrbench.bench.plan import merged
        from ctrbench.cli.costs import Costed

        new = [run for run in merged(job.plan.runs) if run.spec.id not in self.told]
        costs = []
        with telling(quiet=self.quiet) as tell:
            for done, run in enumerate(new):
                if tell is not None:
                    tell(Stage(f"estimating {job.table.name}", done, len(new), "runs"))
                with naming_row(run):
                    guess = self._estimate(run, job.data)
                rows = job.data.count("train", run.spec.domains, run.spec.limit)
                costs.append(Costed(run, rows, guess, run.spec.id not in self.left, self._tables(run)))
        self.told |= {run.spec.id for run in new}
        return costs

    def _tables(self, run: PlannedRun) -> tuple[str, ...]:
        """The tables that use a run."""
        return tuple(
            job.table.name for job in self.found.jobs if any(run.spec.id == each.spec.id for each in job.plan.runs)
        )

    def _estimate(self, run: PlannedRun, data: PreparedDataset) -> Estimate:
        from ctrbench.bench.estimate import estimate

        base = run.spec.base
        same = {"seed": 0, "base": base and base.model_copy(update={"seed": 0})}
        key = run.spec.model_copy(update=same).id
        if key not in self.known:
            self.known[key] = estimate(run, data)
        return self.known[key]


def _print(what: RenderableType) -> None:
    """To the terminal's width where there is one, else wide enough for whole lines."""
    console(width=None if sys.stdout.isatty() else 240, highlight=False).print(what, soft_wrap=isinstance(what, str))
