"""A table as GitHub's Markdown."""

from __future__ import annotations

import re

from ctrbench.report import claimed
from ctrbench.report.grid import Cell, Table, raised

_SPECIAL = re.compile(r"[\\|*`\[\]<~]|(?<!\w)_|_(?!\w)|^[#>+-](?=\s)")
"""What would be read as a mark; an underscore inside a word is none."""


def markdown(table: Table) -> str:
    """GitHub's Markdown: best in bold, second underlined. Names and notes are text, whatever is in them."""
    heads = [table.head, *(_escaped(f"{column.group} {column.title}") for column in table.columns)]
    lines = [f"**{_escaped(table.title)}**", "", _line(heads), _line(["---", *("---:" for _ in table.columns)])]
    lines += [_line([_escaped(row.name), *(_cell(cell) for cell in row.cells)]) for row in table.rows]
    notes = [f"{raised([number])} {text}" for number, text in enumerate(table.footnotes, 1)]
    below = [*notes, *table.caption, *claimed.as_text(table.claims)]
    return "\n".join([*lines, "", *(f"{_indent(text)}- {_escaped(text)}" for text in below)]) + "\n"


def _indent(text: str) -> str:
    """A line that belongs to the one above it is an item below that."""
    return "  " if text.startswith(" ") else ""


def _cell(cell: Cell) -> str:
    text = _escaped(cell.text)
    if cell.style == "best":
        text = f"**{text}**"
    elif cell.style == "second":
        text = f"<u>{text}</u>"
    detail = f" ({_escaped(', '.join(cell.detail.splitlines()))})" if cell.detail else ""
    return f"{text}{raised(cell.footnotes)}{detail}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """On one line."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))
