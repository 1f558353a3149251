"""A table in a terminal, as Markdown, CSV or JSON. The last two hold full precision, and nothing but data."""

from __future__ import annotations

import csv
import io
import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from ctrbench.report.grid import Cell, Column, Row, Style, Table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

FORMATS = ("table", "md", "csv", "json")
COLOURS: dict[Style, str] = {
    "": "",
    "best": "bold",
    "second": "underline",
    "muted": "dim",
    "failed": "red",
}
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def render(table: Table, form: str) -> str:
    """The table as text, in one of `FORMATS`; `table` means 120 columns without colours."""
    if form == "table":
        return _plain(table)
    return {"md": markdown, "csv": as_csv, "json": as_json}[form](table)


def markdown(table: Table) -> str:
    """GitHub's Markdown: best in bold, second underlined."""
    heads = ["Model", *(f"{column.group} {column.title}".strip() for column in table.columns)]
    lines = [f"**{table.title}**", "", _line(heads), _line(["---", *("---:" for _ in table.columns)])]
    lines += [_line([row.name, *(_markdown_cell(cell) for cell in row.cells)]) for row in table.rows]
    notes = [f"{_mark([number])} {text}" for number, text in enumerate(table.footnotes, 1)]
    return "\n".join([*lines, "", *(f"- {_escaped(text)}" for text in [*notes, *table.caption])]) + "\n"


def as_csv(table: Table) -> str:
    """One line per model and domain."""
    flat = [{"model": e.row, "domain": e.domain, **_scalars(e.values), **e.model} for e in table.entries]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(flat[0]) if flat else ["model", "domain"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return stream.getvalue()


def as_json(table: Table) -> str:
    """One object: what the table is, and per model its domains, with caption and footnotes."""
    rows: dict[str, dict[str, Any]] = {}
    for entry in table.entries:
        row = rows.setdefault(entry.row, {"model": entry.row, **entry.model, "domains": {}})
        row["domains"][entry.domain] = entry.values
    whole = {
        "table": table.name,
        "title": table.title,
        **table.facts,
        "rows": list(rows.values()),
        "caption": table.caption,
        "footnotes": table.footnotes,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def to_terminal(table: Table, console: Console) -> None:
    """Print for people. Groups of columns that do not fit beside each other stand below each other."""
    from rich.text import Text

    console.print(Text(table.title, style="bold"))
    for part in _parts(table, console.width):
        console.print(_grid(table, part))
    for number, text in enumerate(table.footnotes, 1):
        console.print(Text(f"{_mark([number])} {text}", style="red"))
    for text in table.caption:
        console.print(Text(text, style="dim"))


def _plain(table: Table) -> str:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=120, color_system=None, force_terminal=False)
    to_terminal(table, console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


Group = tuple[str, list[int]]
"""A group's title, and which columns are in it."""


def _parts(table: Table, width: int) -> list[list[Group]]:
    """Groups of columns, packed into as few grids as fit the width."""
    left = width - _name_width(table)
    parts: list[list[Group]] = []
    room = 0
    for group in _groups(table.columns):
        need = _group_width(table, group) + 3
        if not parts or need > room:
            parts.append([])
            room = left
        parts[-1].append(group)
        room -= need
    return parts


def _groups(columns: list[Column]) -> list[Group]:
    groups: list[Group] = []
    for index, column in enumerate(columns):
        if not groups or groups[-1][0] != column.group:
            groups.append((column.group, []))
        groups[-1][1].append(index)
    return groups


def _grid(table: Table, groups: list[Group]) -> Any:
    """One rich table, a column per group; the numbers inside a group are padded here to line up."""
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    grid.add_column(Text("\nModel"), no_wrap=True)
    for title, members in groups:
        grid.add_column(Text(f"{title}\n{_heads(table, members)}"), no_wrap=True)
    for row in table.rows:
        grid.add_row(Text(row.name), *(_group_text(table, row, members) for _, members in groups))
    return grid


def _heads(table: Table, members: list[int]) -> str:
    return " ".join(table.columns[index].title.rjust(_width(table, index)) for index in members)


def _group_text(table: Table, row: Row, members: list[int]) -> Text:
    """A row's numbers in one group: a line of values, and a line of details if there are any."""
    from rich.text import Text

    text = Text()
    for place, index in enumerate(members):
        cell, width = row.cells[index], _width(table, index)
        shown = cell.text + _mark(cell.footnotes)
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
    shown = [len(cell.text + _mark(cell.footnotes)) for cell in cells]
    return max([len(table.columns[index].title), *shown, *below])


def _group_width(table: Table, group: Group) -> int:
    title, members = group
    return max(len(title), sum(_width(table, index) + 1 for index in members) - 1)


def _name_width(table: Table) -> int:
    return max([len("Model"), *(len(row.name) for row in table.rows)])


def _mark(footnotes: list[int]) -> str:
    return "˒".join(str(number).translate(_RAISED) for number in footnotes)


def _markdown_cell(cell: Cell) -> str:
    text = _escaped(cell.text)
    if cell.style == "best":
        text = f"**{text}**"
    elif cell.style == "second":
        text = f"<u>{text}</u>"
    detail = f" ({_escaped(', '.join(cell.detail.splitlines()))})" if cell.detail else ""
    return f"{text}{_mark(cell.footnotes)}{detail}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _scalars(values: dict[str, Any]) -> dict[str, Any]:
    """CSV has no lists: candidates are in the JSON."""
    return {key: value for key, value in values.items() if not isinstance(value, list)}
