"""`ctrbench data`: one module per action, imported only when it is the one that was asked for.

An action's module has `configure(parser)` and `run(args) -> int`, as a verb's has.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from ctrbench.cli.arguments import add_actions

HELP = "download and prepare datasets, and look at what they hold"

ACTIONS = {
    "download": "fetch a source's published files",
    "check": "what is understood of a file of your own, and what is wrong with it",
    "prepare": "write a prepared dataset from a source's files",
    "describe": "statistics, steps and warnings of a prepared dataset",
    "audit": "prove that the prepared files leak nothing, or show where they do",
}

_RESUMED = ("download",)
"""Actions that go on where they were interrupted."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    add_actions(parser, __name__, ACTIONS)


def run(args: argparse.Namespace) -> int:
    """Do the one that was asked for; errors are `CtrbenchError`."""
    try:
        return int(import_module(f"{__name__}.{args.action}").run(args))
    except KeyboardInterrupt:
        if args.action in _RESUMED:
            raise
        raise KeyboardInterrupt("nothing was written; the same command begins anew") from None
