"""A table in a terminal, or as plain text."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from ctrbench.report import claimed
from ctrbench.report.grid import Row, Style, Table, groups, raised

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

COLOURS: dict[Style, str] = {
    "": "",
    "best": "bold",
    "second": "underline",
    "muted": "dim",
    "failed": "red",
}


def to_terminal(table: Table, console: Console) -> None:
    """Print for people. Groups of columns that do not fit beside each other stand below each other."""
    from rich.text import Text

    console.print(Text(table.title, style="bold"))
    for part in _parts(table, console.width):
        console.print(_grid(table, part))
    for number, text in enumerate(table.footnotes, 1):
        console.print(Text(f"{raised([number])} {text}", style="red"))
    for text in table.caption:
        console.print(Text(text, style="dim"))
    for text in claimed.as_text(table.claims):
        console.print(Text(text))


def plain(table: Table) -> str:
    """120 columns without colours."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=120, color_system=None, force_terminal=False)
    to_terminal(table, console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def without_repeats(tables: Iterable[Table]) -> Iterator[Table]:
    """Tables that are read one after another: what stands below one is not said again below the next."""
    said = set[str]()
    for table in tables:
        new = [line for line in table.caption if line not in said]
        rest = ["Else as said above."] if len(new) < len(table.caption) else []
        said.update(table.caption)
        yield replace(table, caption=[*new, *rest])


Group = tuple[str, list[int]]
"""A group's title, and which columns are in it."""


def _parts(table: Table, width: int) -> list[list[Group]]:
    """Groups of columns, packed into as few grids as fit the width."""
    left = width - _name_width(table)
    parts: list[list[Group]] = []
    room = 0
    for group in groups(table.columns):
        need = _group_width(table, group) + 3
        if not parts or need > room:
            parts.append([])
            room = left
        parts[-1].append(group)
        room -= need
    return parts


def _grid(table: Table, part: list[Group]) -> Any:
    """One rich table, a column per group; the numbers inside a group are padded here to line up."""
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    grid.add_column(Text(f"\n{table.head}"), no_wrap=True)
    for title, members in part:
        grid.add_column(Text(f"{title}\n{_heads(table, members)}"), no_wrap=True)
    for row in table.rows:
        grid.add_row(Text(row.name), *(_group_text(table, row, members) for _, members in part))
    return grid


def _heads(table: Table, members: list[int]) -> str:
    return " ".join(table.columns[index].title.rjust(_width(table, index)) for index in members)


def _group_text(table: Table, row: Row, members: list[int]) -> Text:
    """A row's numbers in one group: a line of values, and a line of details if there are any."""
    from rich.text import Text

    text = Text()
    for place, index in enumerate(members):
        cell, width = row.cells[index], _width(table, index)
        shown = cell.text + raised(cell.footnotes)
        text.append(" " * bool(place) + " " * (width - len(shown)))
        text.append(shown, COLOURS[cell.style])
    below = [row.cells[index].detail.splitlines() for index in members]
    for lines in zip_longest(*below, fillvalue=""):
        shown = " ".join(line.rjust(_width(table, i)) for line, i in zip(lines, members, strict=True))
        text.append(f"\n{shown}", "dim")
    return text


def _width(table: Table, index: int) -> int:
    cells = [row.cells[index] for row in table.rows]
    below = [len(line) for cell in cells for line in cell.detail.splitlines()]
    shown = [len(cell.text + raised(cell.footnotes)) for cell in cells]
    return max([len(table.columns[index].title), *shown, *below])


def _group_width(table: Table, group: Group) -> int:
    title, members = group
    return max(len(title), sum(_width(table, index) + 1 for index in members) - 1)


def _name_width(table: Table) -> int:
    return max([len(table.head), *(len(row.name) for row in table.rows)])
