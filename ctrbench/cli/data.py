"""`ctrbench data`: prepare a dataset from its published files, or describe a prepared one."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrbench.cli.arguments import key_value, scale
from ctrbench.cli.output import console
from ctrbench.data.resolve import raw_files
from ctrbench.errors import ConfigError
from ctrbench.validation import explain

if TYPE_CHECKING:
    from ctrbench.data.describe import Description, Section
    from ctrbench.data.prepare import PrepareOptions
    from ctrbench.data.problems import Problem
    from ctrbench.data.source import DatasetSource

HELP = "prepare a dataset, or describe a prepared one"

_PROSE = ("reason", "example")  # columns that may wrap

log = logging.getLogger(__name__)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the two actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    prepare = actions.add_parser("prepare", help="write a prepared dataset from a source's files")
    prepare.add_argument("source", help="a registered dataset, as `ctrbench list datasets` names it")
    prepare.add_argument(
        "--root", type=Path, metavar="DIR", help="where the files are (a source that makes its own puts them there)"
    )
    prepare.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write")
    prepare.add_argument("--strict", action="store_true", help="a bad row is an error")
    prepare.add_argument("--overwrite", action="store_true", help="replace a prepared dataset at --out")
    add_source_options(prepare, "an option of the source or of the preparation (window, split, middle, …)")
    for key, metavar, text in (
        (
            "split",
            "RULE",
            "which rows are the test rows: the last in `time` (default) or `global_time`, or `random` ones",
        ),
        ("split_seed", "N", "which rows a random split draws"),
    ):
        short = f"{text}; short for `-o {key}={metavar}`"
        prepare.add_argument(
            f"--{key.replace('_', '-')}",
            dest="options",
            type=partial(_pair, key),
            action="append",
            metavar=metavar,
            help=short,
        )
    describe = actions.add_parser("describe", help="statistics, steps and warnings of a prepared dataset")
    describe.add_argument("dir", metavar="DIR", help="a prepared dataset, or the name of one that needs no files")
    describe.add_argument("--format", choices=("table", "md", "json"), default="table")


def add_source_options(parser: argparse.ArgumentParser, text: str) -> None:
    """`-o KEY=VALUE`, and `--scale N`, which is short for `-o scale=N`."""
    parser.add_argument(
        "-o", dest="options", type=key_value, action="append", default=[], metavar="KEY=VALUE", help=text
    )
    parser.add_argument(
        "--scale",
        dest="options",
        type=scale,
        action="append",
        metavar="N",
        help="the size of a dataset that is made to order (1 is its usual size)",
    )


def _pair(key: str, value: str) -> tuple[str, str]:
    return key, value


def run(args: argparse.Namespace) -> int:
    """Do one of the two; errors are `CtrbenchError`."""
    return _prepare(args) if args.action == "prepare" else _describe(args)


def _prepare(args: argparse.Namespace) -> int:
    from ctrbench import registry
    from ctrbench.data.prepare import prepare
    from ctrbench.data.resolve import load_source
    from ctrbench.data.split import SPLITS

    kind = registry.load("datasets", args.source)
    preparation, of_source = split_options(args.options, set(kind.Options.model_fields))
    source = load_source(args.source, of_source)
    data = prepare(
        source,
        _root(args, source),
        args.out,
        preparation,
        strict=args.strict,
        overwrite=args.overwrite,
        source_name=args.source,
        progress=log.info,
    )
    for problem in data.manifest.problems:
        print(_problem_line(problem))
    for domain in data.domains:
        print(f"{domain}: " + ", ".join(f"{data.counts(split)[domain]:,} {split}" for split in SPLITS))
    print(f"prepared {args.out} (fingerprint {data.fingerprint[:12]})")
    print(f"`ctrbench data describe {args.out}` says more")
    return 0


def _root(args: argparse.Namespace, source: DatasetSource) -> Path:
    """The folder with the raw files, filled first where the source makes them."""
    if not source.automatic:
        if args.root is None:
            raise ConfigError(f"--root is missing: the folder with the files of {args.source}")
        return Path(args.root)
    if args.root is None:
        return raw_files(args.source, source)
    source.download(args.root)
    return Path(args.root)


def split_options(pairs: Sequence[tuple[str, Any]], of_source: set[str]) -> tuple[PrepareOptions, dict[str, Any]]:
    """`key=value` pairs as preparation options and the source's own; a source's name for an option wins."""
    from pydantic import ValidationError

    from ctrbench import registry
    from ctrbench.data.prepare import PrepareOptions

    general: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for key, value in pairs:
        if key not in of_source and key not in PrepareOptions.model_fields:
            known = registry.suggest(key, of_source | set(PrepareOptions.model_fields))
            raise ConfigError(f"-o {key}={value}: there is no option {key!r}.{known}")
        (own if key in of_source else general)[key] = value
    try:
        return PrepareOptions.model_validate(general), own
    except ValidationError as error:
        raise ConfigError(explain(error, PrepareOptions, "-o")) from None


def _problem_line(problem: Problem) -> str:
    kind = "left out" if problem.error else "note"
    where = f" [{problem.domain}]" if problem.domain else ""
    told = "".join(f"\n    {example}" for example in problem.examples)
    return f"{kind}{where} {problem.count:,} x {problem.reason}{told}"


def _describe(args: argparse.Namespace) -> int:
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
