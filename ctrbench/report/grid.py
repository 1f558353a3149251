"""What a finished table is: text to show, and the numbers behind it. It knows neither colours nor formats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ctrbench.bench.verdicts import Claimed

Style = Literal["", "best", "second", "muted", "failed"]
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass
class Cell:
    """One value as shown. `detail`, of one or more lines, stands below it (or after it, in one-line formats)."""

    text: str = "-"
    value: float | None = None
    detail: str = ""
    style: Style = ""
    footnotes: list[int] = field(default_factory=list)
    """Numbers from 1, into `Table.footnotes`."""


@dataclass(frozen=True)
class Column:
    """A column of numbers. Columns of one `group` stand under its title."""

    title: str
    group: str = ""
    ranked: bool = False
    """Whether its best value is to be marked."""
    lower_is_better: bool = False
    aside: bool = False
    """Whether it is none of the paper's columns: cost, or what was published."""
    legend: tuple[str, ...] = ()
    """What is to be said of it below the table; a form without the column leaves that out, too."""


@dataclass
class Row:
    """One line: a model, or the oracle (which is not `ranked`)."""

    name: str
    cells: list[Cell]
    ranked: bool = True
    of: str = ""
    """The plan's row that it is of, which `name` may tell more about; the oracle's is none."""


@dataclass(frozen=True)
class Entry:
    """The numbers of one row on one domain, in full precision; `model` holds those of the whole row."""

    row: str
    domain: str
    values: dict[str, Any]
    model: dict[str, Any]


@dataclass
class Table:
    """A table as a value: render it with `ctrbench.report.render`."""

    name: str
    title: str
    facts: dict[str, Any]
    """Profile, dataset, domains, seeds, limit: for JSON."""
    columns: list[Column]
    rows: list[Row]
    entries: list[Entry]
    caption: list[str]
    footnotes: list[str]
    head: str = "Model"
    """What the rows are."""
    claims: list[Claimed] = field(default_factory=list)
    """What became of the paper's claims, where that was asked for."""


class Footnotes:
    """Collects footnotes; the same text gets the same number."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def number(self, text: str) -> int:
        """The number of a footnote, from 1."""
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


def rank(columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """Mark the best and the second value of each ranked column; rows that are not ranked are left out."""
    ranked = [row for row in rows if row.ranked]
    for index, column in enumerate(columns):
        if not column.ranked:
            continue
        cells = [row.cells[index] for row in ranked]
        values = sorted({cell.value for cell in cells if cell.value is not None}, reverse=not column.lower_is_better)
        for cell in cells:
            if cell.value is not None and cell.value in values[:2]:
                cell.style = "best" if cell.value == values[0] else "second"


def groups(columns: Sequence[Column]) -> list[tuple[str, list[int]]]:
    """Neighbours of one group: its title, and the columns' places."""
    found: list[tuple[str, list[int]]] = []
    for place, column in enumerate(columns):
        if not found or found[-1][0] != column.group:
            found.append((column.group, []))
        found[-1][1].append(place)
    return found


def raised(footnotes: Iterable[int]) -> str:
    """Numbers of footnotes as superscript signs."""
    return "˒".join(str(number).translate(_RAISED) for number in footnotes)


def count(number: float | None) -> str:
    """A count in four characters or so: 950, 1.2K, 66.4M, 1.3B."""
    if number is None:
        return "-"
    size = float(number)
    for unit in ("", "K", "M", "B"):
        if abs(size) < 999.5 or unit == "B":
            return f"{size:.1f}{unit}" if unit and size < 99.95 else f"{size:.0f}{unit}"
        size /= 1000
    raise AssertionError("unreachable")
