"""`ctrbench show TABLE ...`."""

from __future__ import annotations

import argparse

from ctrbench.cli import options

HELP = "Print what there is of tables, '-' where a run is missing. Trains nothing."


def configure(parser: argparse.ArgumentParser) -> None:
    """The same options as `run`: they say which runs are meant."""
    options.add_tables(parser)
    options.add_plan(parser)
    options.add_format(parser)
    options.add_claims(parser)
    options.add_metric(parser)
    parser.set_defaults(trains_nothing=True)


def run(args: argparse.Namespace) -> int:
    """Exit code 0, whatever there is; 2 where one of several tables does not fit, or a row's model is gone."""
    from ctrbench.bench.run import stored
    from ctrbench.cli.jobs import jobs
    from ctrbench.cli.output import check_format
    from ctrbench.cli.run import show

    found = jobs(args)
    check_format(args.format, several=found.several)
    found.check_exports(args)
    return show(found, args, lambda job: stored(job.plan, args.results))
