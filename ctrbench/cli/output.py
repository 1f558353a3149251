"""Where results go: stdout, and nothing else goes there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ctrbench.errors import ConfigError

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
    from ctrbench.report.render import render
    from ctrbench.report.terminal import to_terminal

    if form == "table" and sys.stdout.isatty():
        to_terminal(table, console())
    else:
        sys.stdout.write(render(table, form))


def check_format(form: str, *, several: bool) -> None:
    """Raise `ConfigError` for a format that holds one table where there are several."""
    if several and form == "csv":
        raise ConfigError("--format csv holds one table, whose columns are its own; name one table, or take json")


def print_tables(tables: Sequence[Table], form: str, *, several: bool) -> None:
    """One table as it is; of several, each after a blank line, or all as one JSON list."""
    if several and form == "json":
        from ctrbench.report.render import render

        sys.stdout.write("[\n" + ",\n".join(render(table, form).rstrip("\n") for table in tables) + "\n]\n")
        return
    if form == "table":
        from ctrbench.report.terminal import without_repeats

        tables = list(without_repeats(tables))
    for table in tables:
        if several:
            print(flush=True)
        print_table(table, form)
