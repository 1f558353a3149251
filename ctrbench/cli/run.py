"""`ctrbench run TABLE`."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from ctrbench.cli import options
from ctrbench.errors import ConfigError
from ctrbench.training import launched

if TYPE_CHECKING:
    from ctrbench.cli.options import Job

_log = logging.getLogger(__name__)
HELP = "Train what a table still lacks, then print it. Exit code 1 when a run failed."


def configure(parser: argparse.ArgumentParser) -> None:
    """The table, what decides its runs, how many processes train, and the format."""
    options.add_table(parser)
    options.add_plan(parser)
    options.add_processes(parser)
    options.add_format(parser)


def run(args: argparse.Namespace) -> int:
    """Progress goes to stderr, the table alone to stdout."""
    return run_table(args, args.table)


def run_table(args: argparse.Namespace, name: str) -> int:
    """Run and print one table; shared with `zero-shot`.

    With `--processes`, mistakes, also in settings and backbones, are found here, before the processes start. Each of
    them calls this again.
    """
    if launched.count() > 1:
        return _take_part(args, name)
    if launched.alone_after_all():
        _log.warning("accelerate started one process: for several on CPUs, use `ctrbench run --processes N`")
    job = options.job(args, name)
    if args.processes > 1 and _ready(job, args):
        from ctrbench.cli.launch import launch

        return launch(args.command_line, args.processes)
    return _run(args, job)


def _take_part(args: argparse.Namespace, name: str) -> int:
    """The part of one of several processes."""
    if args.processes > 1:
        raise ConfigError("--processes starts processes by itself; leave it out under a launcher")
    from ctrbench.training.processes import team

    alone = True
    try:
        with team().together():
            job = options.job(args, name)
            _compare(job)
        code = _run(args, job)
        alone = False
        return code
    except Exception as error:
        alone = not team().agreed(error)
        raise
    finally:
        team().leave(alone=alone)


def _compare(job: Job) -> None:
    """All processes are to have the same runs before them."""
    from ctrbench.training.processes import team

    own = [[run.spec.id, *map(str, run.targets)] for run in job.plan.runs]
    if own != team().on_main(lambda: own):
        raise ConfigError(
            "the processes were started with different options or data; start all with the same command, "
            "on the same prepared data"
        )


def _run(args: argparse.Namespace, job: Job) -> int:
    from ctrbench.bench.run import run_table
    from ctrbench.cli.live import watching
    from ctrbench.cli.output import print_table
    from ctrbench.report.findings import Findings
    from ctrbench.report.tables import build

    with watching(quiet=args.quiet) as view:
        records = run_table(job.plan, job.data, args.results, view.watch, view.on_run)
    if launched.rank() == 0:
        print_table(build(Findings(job.plan, records, args.results, job.data)), args.format)
    return int(any(record.status == "failed" for record in records))


def _ready(job: Job, args: argparse.Namespace) -> bool:
    """Whether anything is left to run; raises where that could not start."""
    from ctrbench.bench.records import ensure_writable
    from ctrbench.bench.run import check, lacking

    missing = lacking(job.plan, args.results)
    if missing:
        ensure_writable(args.results)
        check(missing, job.data)
    return bool(missing)
