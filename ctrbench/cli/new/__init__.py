"""`ctrbench new`: one module per thing that it writes; see `ctrbench.cli.data` for what an action's module has."""

from __future__ import annotations

import argparse
from importlib import import_module

from ctrbench.cli.arguments import add_actions

HELP = "Write the beginnings of something of your own."

ACTIONS = {"plugin": "a package with a model, dataset, backbone or tables, and with tests that pass"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    add_actions(parser, __name__, ACTIONS)


def run(args: argparse.Namespace) -> int:
    """Do the one that was asked for; errors are `CtrbenchError`."""
    return int(import_module(f"{__name__}.{args.action}").run(args))
