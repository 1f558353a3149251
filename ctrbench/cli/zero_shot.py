"""`ctrbench zero-shot`: the registered zero-shot table, on any unseen domain."""

from __future__ import annotations

import argparse

from ctrbench.bench.catalog import of_kind
from ctrbench.cli import options
from ctrbench.cli.run import run as run_tables
from ctrbench.errors import ConfigError

HELP = "Score domains that no model was trained on. The runs are those of the main table on the same domains."


def configure(parser: argparse.ArgumentParser) -> None:
    """As `run`, but for the table."""
    options.add_plan(parser)
    options.add_processes(parser)
    options.add_trackers(parser)
    options.add_format(parser)
    options.add_claims(parser)
    options.add_metric(parser)


def run(args: argparse.Namespace) -> int:
    """Train on the other domains what is missing, and print the zero-shot table."""
    args.tables = [_table()]
    return run_tables(args)


def _table() -> str:
    """The one zero-shot table that is registered."""
    names = of_kind("zero_shot")
    if not names:
        raise ConfigError("no zero-shot table is installed; name a .toml file: `ctrbench run FILE --target D`")
    if len(names) > 1:
        raise ConfigError(f"there are several zero-shot tables, {', '.join(names)}: `ctrbench run NAME --target D`")
    return names[0]
