"""`ctrbench run TABLE`."""

from __future__ import annotations

import argparse

from ctrbench.cli import options

HELP = "Train what a table still lacks, then print it. Exit code 1 when a run failed."


def configure(parser: argparse.ArgumentParser) -> None:
    """The table, what decides its runs, and the format."""
    options.add_table(parser)
    options.add_plan(parser)
    options.add_format(parser)


def run(args: argparse.Namespace) -> int:
    """Progress goes to stderr, the table alone to stdout."""
    return run_table(args, args.table)


def run_table(args: argparse.Namespace, name: str) -> int:
    """Run and print one table; shared with `zero-shot`."""
    job = options.job(args, name)
    from ctrbench.bench.run import run_table
    from ctrbench.cli.live import watching
    from ctrbench.cli.output import print_table
    from ctrbench.report.tables import build

    with watching(quiet=args.quiet) as view:
        records = run_table(job.plan, job.data, args.results, view.watch, view.on_run)
    print_table(build(job.table, job.plan, records), args.format)
    return int(any(record.status == "failed" for record in records))
