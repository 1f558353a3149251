"""Where results go: stdout, and nothing else goes there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from ctrbench.report.grid import Table


def console(**options: Any) -> Console:
    """A rich console on stdout that leaves a closed pipe to the command, as `print` does."""
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Plain(**options)


def print_table(table: Table, form: str) -> None:
    """In colours and to the terminal's width where there is one; else as plain text."""
    from ctrbench.report.render import render, to_terminal

    if form == "table" and sys.stdout.isatty():
        to_terminal(table, console())
    else:
        sys.stdout.write(render(table, form))
