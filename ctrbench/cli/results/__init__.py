"""`ctrbench results`: one module per action, imported only when it is the one that was asked for.

An action's module has `HELP`, `configure(parser)` and `run(args) -> int`, as a verb's has.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from ctrbench.cli.arguments import add_actions

HELP = "List, check and remove the runs of a results folder."

ACTIONS = {
    "ls": "one line per run",
    "rm": "remove runs, after asking",
    "verify": "check every record, its predictions and its test rows",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    add_actions(parser, __name__, ACTIONS)


def run(args: argparse.Namespace) -> int:
    """Do the one that was asked for; errors are `CtrbenchError`."""
    return int(import_module(f"{__name__}.{args.action}").run(args))
