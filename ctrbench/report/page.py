"""Self-contained pages: sections of figures and tables, in one HTML file that needs neither network nor script."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ctrbench._version import __version__
from ctrbench.errors import OutputError
from ctrbench.files import atomic, unwritable

Cell = str | int | float | None

_MARK = '<meta name="generator" content="ctrbench'
_ADVICE = "choose another file"
_PROSE = 32  # a longer text in a table may wrap


@dataclass(frozen=True)
class Table:
    """Rows of a table; numbers stand to the right. `shaded`: cells from 0 to 1 have a background as strong as they."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    shaded: bool = False

    @property
    def heads(self) -> list[tuple[str, bool]]:
        """The columns' names, and whether numbers stand below."""
        numeric = [not any(isinstance(value, str) for value in column) for column in zip(*self.rows, strict=True)]
        return list(zip(self.columns, numeric or [False] * len(self.columns), strict=True))

    @property
    def lines(self) -> list[list[tuple[str, Cell]]]:
        """The rows, each cell as text beside its value."""
        texts = [_column(column) for column in zip(*self.rows, strict=True)]
        return [
            list(zip(line, row, strict=True)) for line, row in zip(zip(*texts, strict=True), self.rows, strict=True)
        ]


@dataclass(frozen=True)
class Figure:
    """A chart, the sentence that a reader who cannot see it hears, and the numbers behind it."""

    title: str
    text: str
    svg: Markup
    numbers: Table


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph on how to read it, figures side by side, and tables below each other."""

    title: str
    text: str = ""
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()

    @property
    def anchor(self) -> str:
        """The section's name in links."""
        return re.sub(r"\W+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Page:
    """What stands at the top (`warning` in a frame of its own, `facts` as name and value), and sections."""

    title: str
    warning: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]


def render(page: Page) -> str:
    """The page as HTML; every text is escaped."""
    return environment().get_template("page.html.jinja").render(page=page)


def write(page: Page, file: Path) -> None:
    """Write a page whole, or not at all; another such page at `file` is replaced.

    Raises `OutputError` when something else stands there, or when it cannot be written.
    """
    check_place(file)
    with atomic(file, _ADVICE) as temporary:
        temporary.write_text(render(page), encoding="utf-8")


def check_place(file: Path) -> None:
    """Raise `OutputError` unless a page may be written to `file`; worth knowing before the work."""
    try:
        ours = not file.exists() or _is_page(file)
    except OSError as fault:
        raise unwritable(file, fault, _ADVICE) from fault
    if not ours:
        raise OutputError(f"{file} exists and is no page that ctrbench wrote: {_ADVICE}")


def _is_page(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        return _MARK.encode() in stream.read(1000)


def environment(*more: str) -> Environment:
    """Templates of pages, and of the packages `more`; every text that they show is escaped."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in ("ctrbench.report", *more)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.tests["numeric"] = lambda value: not isinstance(value, str)
    made.tests["prose"] = lambda text: len(text) > _PROSE
    made.globals.update(mark=Markup(_MARK), version=__version__)
    return made


def _column(values: Sequence[Cell]) -> list[str]:
    """A column as text: all its numbers have as many digits after the point, so that they line up."""
    floats = [abs(value) for value in values if isinstance(value, float)]
    most = max(floats, default=0.0)
    whole = most > 1 and all(value == round(value) for value in floats)
    digits = 0 if whole or most >= 10_000 else 2 if most >= 10 else 4
    form = f",.{digits}f" if most >= 10_000 else f".{digits}f"  # a year has no comma
    if 0 < most < 0.01:
        form = ".3g"
    return ["" if value is None else _cell(value, form) for value in values]


def _cell(value: str | int | float, form: str) -> str:
    return value if isinstance(value, str) else format(value, form) if isinstance(value, float) else f"{value:,}"
