"""`ctrbench show TABLE`."""

from __future__ import annotations

import argparse

from ctrbench.cli import options

HELP = "Print what there is of a table, '-' where a run is missing. Trains nothing."


def configure(parser: argparse.ArgumentParser) -> None:
    """The same options as `run`: they say which runs are meant."""
    options.add_table(parser)
    options.add_plan(parser)
    options.add_format(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 0, whatever there is."""
    job = options.job(args, args.table)
    from ctrbench.bench.run import stored
    from ctrbench.cli.output import print_table
    from ctrbench.report.findings import Findings
    from ctrbench.report.tables import build

    print_table(build(Findings(job.plan, stored(job.plan, args.results), args.results, job.data)), args.format)
    return 0
