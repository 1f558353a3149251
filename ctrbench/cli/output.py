"""Where results go: stdout, and nothing else goes there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctrbench.report.grid import Table


def print_table(table: Table, form: str) -> None:
    """In colours and to the terminal's width where there is one; else as plain text."""
    from ctrbench.report.render import render, to_terminal

    if form == "table" and sys.stdout.isatty():
        from rich.console import Console

        to_terminal(table, Console())
    else:
        sys.stdout.write(render(table, form))
