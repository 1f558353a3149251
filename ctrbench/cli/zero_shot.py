"""`ctrbench zero-shot`: the registered zero-shot table, on any unseen domain."""

from __future__ import annotations

import argparse

from ctrbench.bench.catalog import of_kind
from ctrbench.cli import options
from ctrbench.cli.run import run_table
from ctrbench.errors import ConfigError

HELP = "Score domains that no model was trained on. The runs are those of the main table on the same domains."


def configure(parser: argparse.ArgumentParser) -> None:
    """As `run`, but for the table."""
    options.add_plan(parser)
    options.add_processes(parser)
    options.add_format(parser)


def run(args: argparse.Namespace) -> int:
    """Train on the other domains what is missing, and print the zero-shot table."""
    return run_table(args, _table())


def _table() -> str:
    """The one zero-shot table that is registered."""
    names = of_kind("zero_shot")
    if not names:
        raise ConfigError("no zero-shot table is installed; name a .toml file: `ctrbench run FILE --target D`")
    if len(names) > 1:
        raise ConfigError(f"there are several zero-shot tables, {', '.join(names)}: `ctrbench run NAME --target D`")
    return names[0]
