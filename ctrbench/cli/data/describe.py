"""`ctrbench data describe`: what a prepared dataset holds."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ctrbench.cli.output import console

if TYPE_CHECKING:
    from ctrbench.data.describe import Description, Section

_PROSE = ("reason", "example")  # columns that may wrap


def configure(parser: argparse.ArgumentParser) -> None:
    """Which dataset, and in what form."""
    parser.add_argument("dir", metavar="DIR", help="a prepared dataset, or the name of one that needs no files")
    parser.add_argument("--format", choices=("table", "md", "json"), default="table")


def run(args: argparse.Namespace) -> int:
    """Print the tables."""
    from ctrbench.data.describe import describe
    from ctrbench.data.resolve import open_dataset

    description = describe(open_dataset(args.dir))
    if args.format == "json":
        print(description.model_dump_json(indent=1))
    elif args.format == "md":
        print(_markdown(description))
    else:
        _print_tables(description)
    return 0


def _title(description: Description) -> str:
    kind = " (synthetic: says nothing about real accuracy)" if description.synthetic else ""
    return f"{description.source}{kind}, fingerprint {description.fingerprint}"


def _markdown(description: Description) -> str:
    parts = [_title(description)]
    for section in description.sections:
        head = ["| " + " | ".join(section.columns) + " |", "|" + " --- |" * len(section.columns)]
        body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in _cells(section)]
        parts.append("\n".join([f"## {section.title}", "", *head, *body]))
    return "\n\n".join(parts)


def _print_tables(description: Description) -> None:
    from rich.markup import escape
    from rich.table import Table

    screen = console()
    screen.print(escape(_title(description)))
    for section in (section for section in description.sections if section.rows):
        table = Table(title=section.title, title_justify="left")
        for place, column in enumerate(section.columns):
            numeric = all(not isinstance(row[place], str) for row in section.rows)
            table.add_column(
                column, justify="right" if numeric else "left", no_wrap=column not in _PROSE, overflow="fold"
            )
        for row in _cells(section):
            table.add_row(*(escape(cell) for cell in row))
        screen.print(table)


def _cells(section: Section) -> list[list[str]]:
    return [[_cell(value) for value in row] for row in section.rows]


def _cell(value: str | int | float | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
