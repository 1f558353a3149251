"""`ctrbench run TABLE ...`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ctrbench.cli import options
from ctrbench.errors import ConfigError, OutputError
from ctrbench.training import launched

if TYPE_CHECKING:
    from ctrbench.bench.records import Record
    from ctrbench.bench.run import Outlook
    from ctrbench.cli.job import Job
    from ctrbench.cli.jobs import Jobs

_log = logging.getLogger(__name__)
HELP = "Train what tables still lack, then print them. Exit code 1 when a run failed, 2 when a table does not fit."


def configure(parser: argparse.ArgumentParser) -> None:
    """The table, what decides its runs, how many processes train, and the format."""
    options.add_tables(parser)
    options.add_plan(parser)
    options.add_processes(parser)
    options.add_trackers(parser)
    options.add_format(parser)
    options.add_claims(parser)
    options.add_metric(parser)


def run(args: argparse.Namespace) -> int:
    """Progress goes to stderr, the tables alone to stdout.

    With `--processes`, mistakes, also in settings and backbones, are found here, before the processes start. Each of
    them calls this again.
    """
    if launched.count() > 1:
        return _take_part(args)
    if launched.alone_after_all():
        _log.warning("accelerate started one process: for several on CPUs, use `ctrbench run --processes N`")
    found = _ready(args)
    if args.processes > 1:
        with _shown_anyway(found, args):
            lacking = _lacking(found, args)
        if lacking:
            from ctrbench.cli.launch import launch

            return launch(args.command_line, args.processes)
    return _run(args, found)


def _take_part(args: argparse.Namespace) -> int:
    """The part of one of several processes."""
    if args.processes > 1:
        raise ConfigError("--processes starts processes by itself; leave it out under a launcher")
    from ctrbench.training.processes import team

    alone = True
    try:
        with team().together():
            found = _ready(args)
            _compare(found)
        code = _run(args, found)
        alone = False
        return code
    except Exception as error:
        alone = not team().agreed(error)
        raise
    finally:
        team().leave(alone=alone)


def _compare(found: Jobs) -> None:
    """All processes are to have the same runs before them."""
    from ctrbench.training.processes import team

    own = [[run.spec.id, *map(str, run.targets)] for job in found.jobs for run in job.plan.runs]
    if own != team().on_main(lambda: own):
        raise ConfigError(
            "the processes were started with different options or data; start all with the same command, "
            "on the same prepared data"
        )


def _ready(args: argparse.Namespace) -> Jobs:
    """The tables' plans. Of several, those whose settings do not fit, or whose backbones are not there, are faults."""
    from ctrbench.bench.checks import unchecked
    from ctrbench.bench.trackers import check as check_trackers
    from ctrbench.cli.jobs import jobs
    from ctrbench.cli.output import check_format

    check_trackers(args.tracker)
    found = jobs(args)
    check_format(args.format, several=found.several)
    if found.several:
        from ctrbench.bench.run import lacking

        every, found.jobs = found.jobs, []
        for job in every:
            with found.one(job.table.name):
                found.check(lacking([(job.plan, job.data)], args.results))
                found.jobs.append(job)
    elif launched.by_ctrbench():
        found.check = unchecked
    found.check_exports(args)
    return found


def _lacking(found: Jobs, args: argparse.Namespace) -> bool:
    """Whether anything is left to run; raises where that could not start."""
    from ctrbench.bench.records import ensure_writable
    from ctrbench.bench.run import lacking

    missing = lacking(found.work, args.results)
    if missing:
        ensure_writable(args.results)
        found.check(missing)
    return bool(missing)


def _run(args: argparse.Namespace, found: Jobs) -> int:
    from ctrbench.bench.code import changed
    from ctrbench.bench.run import run_plans
    from ctrbench.bench.trackers import tracking
    from ctrbench.cli.live import watching

    def on_plan(outlook: Outlook) -> None:
        view.on_plan(outlook)
        if launched.rank() == 0:
            for sentence in changed([model for job in found.jobs for model in job.plan.models], outlook.records):
                _log.warning("%s", sentence)

    trackers = args.tracker if launched.rank() == 0 else []
    with (
        _shown_anyway(found, args),
        watching(quiet=args.quiet) as view,
        tracking(trackers, args.results, view.on_run) as on_run,
    ):
        records = run_plans(found.work, args.results, view.watch, on_run, on_plan, found.check)
    failed = int(any(record.status == "failed" for record in records))
    if launched.rank() > 0:
        return failed
    by_id = {record.id: record for record in records}
    return max(failed, show(found, args, lambda job: [by_id[run.spec.id] for run in job.plan.runs]))


@contextmanager
def _shown_anyway(found: Jobs, args: argparse.Namespace) -> Iterator[None]:
    """Where results cannot be written, what there is of the tables is printed all the same."""
    try:
        yield
    except OutputError:
        if launched.rank() == 0:
            from ctrbench.bench.run import stored

            there = {job.table.name: stored(job.plan, args.results) for job in found.jobs}
            if any(record is not None for records in there.values() for record in records):
                show(found, args, lambda job: there[job.table.name])
        raise


def show(found: Jobs, args: argparse.Namespace, records_of: Callable[[Job], Sequence[Record | None]]) -> int:
    """Print and save the tables; the exit code: 2 where one of several could not be made, or not be written."""
    from ctrbench.cli.jobs import metric_for
    from ctrbench.cli.output import print_tables
    from ctrbench.report.claimed import claimed
    from ctrbench.report.findings import Findings
    from ctrbench.report.tables import build

    made = []
    for job in found.jobs:
        with found.one(job.table.name):
            metric = metric_for(job.table, args)
            findings = Findings(job.plan, records_of(job), args.results, job.data, metric)
            table = build(findings)
            table.claims = claimed(findings, table) if args.claims else []
            made.append((findings, table))
    print_tables([table for _, table in made], args.format, several=found.several)
    for findings, table in made:
        for export in found.exports.get(table.name, ()):
            with found.one(table.name):
                export.write(findings, table)
                if not args.quiet:
                    print(f"wrote {export.file}", file=sys.stderr)
    return found.tell(quiet=args.quiet)
