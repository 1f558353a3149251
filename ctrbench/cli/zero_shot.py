"""`ctrbench zero-shot`: Figure 3, on any unseen domain."""

from __future__ import annotations

import argparse

from ctrbench.cli import options
from ctrbench.cli.run import run_table

HELP = "Score domains that no model was trained on. The runs are those of the main table on the same domains."
TABLE = "fig3"


def configure(parser: argparse.ArgumentParser) -> None:
    """As `run`, but for the table."""
    options.add_plan(parser)
    options.add_format(parser)


def run(args: argparse.Namespace) -> int:
    """Train on the other domains what is missing, and print the zero-shot table."""
    return run_table(args, TABLE)
