"""`ctrbench data check`: what is understood of a file of one's own, and what is wrong, before anything runs."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ctrbench.cli.data.prepare import problem_line
from ctrbench.cli.data.source_options import add_preparation_options, add_source_options, split_options
from ctrbench.cli.output import console
from ctrbench.errors import ConfigError, CtrbenchError

if TYPE_CHECKING:
    from ctrbench.data.foresee import Outlook
    from ctrbench.data.inspection import InspectedColumn, Inspection

_SHOWN = 24  # characters of an example


def configure(parser: argparse.ArgumentParser) -> None:
    """Which file, where to write what is proposed for it, and in what form."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the TOML that describes your tables, or a table")
    parser.add_argument("--write", type=Path, metavar="TOML", help="for a table: write the proposed TOML there")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    add_source_options(parser, "an option of the preparation (window, split, positive_above, …)")
    add_preparation_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the findings; 0 where the file can be prepared, 2 where something is to be corrected first."""
    from ctrbench.data.foresee import foresee, inspect

    options, _ = split_options(args.options, set())
    source, found = inspect(args.file, args.write.parent if args.write else None)
    outlook = None
    if found.proposal is None and not found.wrong:
        try:
            outlook = foresee(source, args.file, options)
        except CtrbenchError as error:
            found = found.model_copy(update={"wrong": (str(error),)})
    if args.format == "json":
        foreseen = outlook.model_dump() if outlook else None
        print(
            json.dumps(
                {"source": source, **found.model_dump(mode="json"), "outlook": foreseen}, indent=1, ensure_ascii=False
            )
        )
    else:
        if found.file is not None and found.file != args.file:
            print(f"checked: {found.file}")
        _print(found, outlook)
    if args.write is not None and (found.proposal is not None or not found.wrong):
        _write(found, args.write)
    if args.format == "table":
        _print_next(args, source, found)
    return 2 if found.wrong else 0


def _print(found: Inspection, outlook: Outlook | None) -> None:
    if found.columns:
        _print_columns(found.columns)
    for sentence in found.understood:
        print(sentence)
    if outlook is not None:
        for domain in outlook.domains:
            rows = ", ".join(f"{count:,} {split}" for split, count in domain.rows.items())
            print(f"{domain.domain}: {rows}; {domain.label_rate:.1%} positive; {domain.first} to {domain.last}")
        for problem in outlook.problems:
            print(problem_line(problem))
    if found.proposal is not None:
        print(f"\n{found.proposal}")
    for sentence in found.wrong:
        print(f"wrong: {sentence}")


def _print_columns(columns: tuple[InspectedColumn, ...]) -> None:
    from rich.markup import escape
    from rich.table import Table

    for name in dict.fromkeys(column.table for column in columns):
        found = [column for column in columns if column.table == name]
        table = Table(title=f"{name}: {found[0].rows:,} row{'' if found[0].rows == 1 else 's'}", title_justify="left")
        for head in ("column", "taken as", "type", "nulls", "distinct", "examples"):
            table.add_column(head, justify="right" if head in ("nulls", "distinct") else "left", overflow="fold")
        for c in found:
            examples = ", ".join(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…" for text in c.examples)
            cells = (c.name, c.role, c.type, f"{c.nulls:,}", f"{c.distinct:,}", examples)
            table.add_row(*(escape(cell) for cell in cells))
        console().print(table)


def _write(found: Inspection, toml: Path) -> None:
    from ctrbench.files import atomic

    if found.proposal is None:
        raise ConfigError("--write is for a table that no TOML describes yet; leave it out")
    if toml.exists():
        raise ConfigError(f"{toml} is there already, and is left as it is: choose another name for --write")
    with atomic(toml, "choose another place for --write") as file:
        file.write_text(found.proposal, encoding="utf-8")


def _print_next(args: argparse.Namespace, source: str, found: Inspection) -> None:
    """The command that comes next."""
    if found.proposal is not None:
        toml = args.write or args.file.with_name(f"{args.file.name.partition('.')[0]}.toml")
        how = "written to" if args.write else "save this as"
        print(f"{how} {toml}, correct what is guessed wrongly, then: {_command('check', str(toml))}")
    elif not found.wrong:
        given = [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in args.options]
        options = [word for key, value in given for word in ("-o", f"{key}={value}")]
        file = found.file or args.file
        words = (source, "--root", str(file), "--out", f"prepared/{file.stem}", *options)
        print(f"all right; next: {_command('prepare', *words)}")


def _command(*words: str) -> str:
    return shlex.join(["ctrbench", "data", *words])
