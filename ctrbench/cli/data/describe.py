"""`ctrbench data describe`: what a prepared dataset holds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ctrbench.cli.output import console

if TYPE_CHECKING:
    from rich.table import Table

    from ctrbench.data.describe import Description, Section
    from ctrbench.data.store import PreparedDataset

_HERE = Path()
_PROSE = ("reason", "example")  # columns that may wrap
_PROSE_WIDTH = 16
_ANY_WIDTH = 100_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Which dataset, and in what form."""
    parser.add_argument("dir", metavar="DIR", help="a prepared dataset, or the name of one that needs no files")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--format", choices=("table", "md", "json"), default="table")
    form.add_argument(
        "--html",
        nargs="?",
        const=_HERE,
        type=Path,
        metavar="FILE",
        help="write one page with charts and all tables, to be opened from disk (default: DIR's name, .html, here)",
    )


def run(args: argparse.Namespace) -> int:
    """Print the tables, or write the page."""
    from ctrbench.data.describe import describe
    from ctrbench.data.resolve import open_dataset

    data = open_dataset(args.dir)
    if args.html is not None:
        _write_page(data, Path(f"{Path(args.dir).resolve().name}.html") if args.html == _HERE else args.html)
        return 0
    description = describe(data)
    if args.format == "json":
        print(description.model_dump_json(indent=1))
    elif args.format == "md":
        print(_markdown(description))
    else:
        _print_tables(description)
    return 0


def _write_page(data: PreparedDataset, file: Path) -> None:
    from ctrbench.report.dataset_page import dataset_page
    from ctrbench.report.page import check_place, write

    check_place(file)
    write(dataset_page(data), file)
    print(f"wrote {file} ({file.stat().st_size / 1e6:.1f} MB): open it in a browser")


def _unusual(description: Description) -> str:
    from ctrbench.data.describe import written

    return f"options that differ from the defaults: {written(description.unusual) or 'none'}"


def _title(description: Description) -> str:
    kind = " (synthetic: says nothing about real accuracy)" if description.synthetic else ""
    return f"{description.source}{kind}, fingerprint {description.fingerprint}"


def _doubts(description: Description) -> list[str]:
    return [f"Doubtful: {doubt} (`ctrbench data audit` says more)" for doubt in description.doubts]


def _markdown(description: Description) -> str:
    parts = [_title(description), _unusual(description), *_doubts(description)]
    for section in description.sections:
        head = ["| " + " | ".join(section.columns) + " |", "|" + " --- |" * len(section.columns)]
        body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in _cells(section)]
        parts.append("\n".join([f"## {section.title}", "", *head, *body]))
    return "\n\n".join(parts)


def _print_tables(description: Description) -> None:
    """To the terminal's width where there is one, else as wide as the tables are; numbers are never cut."""
    from rich.measure import Measurement
    from rich.text import Text

    tables = [_table(section) for section in description.sections if section.rows]
    screen = console()
    roomy = screen.options.update(width=_ANY_WIDTH)
    sizes = [Measurement.get(screen, roomy, table) for table in tables]
    screen.width = max([screen.width, *(size.minimum if screen.is_terminal else size.maximum for size in sizes)])
    for line in (_title(description), _unusual(description), *_doubts(description)):
        screen.print(Text(line), soft_wrap=True)
    for table in tables:
        screen.print(table)


def _table(section: Section) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=section.title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(section.columns):
        numeric = all(not isinstance(row[place], str) for row in section.rows)
        table.add_column(
            column, justify="right" if numeric else "left", overflow="fold", min_width=_least(section, place)
        )
    for row in _cells(section):
        table.add_row(*(escape(cell) for cell in row))
    return table


def _least(section: Section, place: int) -> int:
    """How wide a column is at least: prose may wrap anywhere, a heading between its words, all else nowhere."""
    column = section.columns[place]
    longest_word = max(len(word) for word in column.split())
    if column in _PROSE:
        return max(longest_word, _PROSE_WIDTH)
    return max([longest_word, *(len(row[place]) for row in _cells(section))])


def _cells(section: Section) -> list[list[str]]:
    return [[_cell(value) for value in row] for row in section.rows]


def _cell(value: str | int | float | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
