"""`ctrbench data audit`: proves on the prepared files that nothing leaks."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from ctrbench.cli.data.source_options import add_preparation_options, add_source_options, as_mapping
from ctrbench.cli.output import console

if TYPE_CHECKING:
    from ctrbench.data.audit import Audit

log = logging.getLogger(__name__)
_COLOURS = {"holds": "green", "allowed": "yellow", "fails": "red"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Which dataset, and in what form."""
    parser.add_argument("dir", metavar="DIR", help="a prepared dataset, or the name of one that needs no files")
    add_source_options(parser, "an option of a dataset that needs no files, or of its preparation")
    add_preparation_options(parser)
    parser.add_argument("--format", choices=("table", "md", "json"), default="table")


def run(args: argparse.Namespace) -> int:
    """Print one line per check; exit code 1 where one fails."""
    from ctrbench.data.audit import audit
    from ctrbench.data.resolve import open_dataset

    found = audit(open_dataset(args.dir, options=as_mapping(args.options)), log.info)
    if args.format == "json":
        print(found.model_dump_json(indent=1))
    elif args.format == "md":
        print(_markdown(found))
    else:
        _print_lines(found)
    return 0 if found.passed else 1


def _title(found: Audit) -> str:
    failed = sum(check.result == "fails" for check in found.checks)
    verdict = f"{failed} of {len(found.checks)} checks fail" if failed else f"{len(found.checks)} checks, none fails"
    return f"{found.source}, fingerprint {found.fingerprint}, split {found.split}: {verdict}"


def _markdown(found: Audit) -> str:
    lines = [_title(found), "", "| result | check | found |", "| --- | --- | --- |"]
    for check in found.checks:
        told = "<br>".join((check.found, *check.details)).replace("|", "\\|")
        lines.append(f"| {check.result} | {check.name} | {told} |")
    return "\n".join(lines)


def _print_lines(found: Audit) -> None:
    from rich.markup import escape

    screen = console(highlight=False)
    screen.print(escape(_title(found)), soft_wrap=True)
    for check in found.checks:
        word = f"[{_COLOURS[check.result]}]{check.result:<7}[/]"
        screen.print(f"{word}  {escape(check.name)}: {escape(check.found)}", soft_wrap=True)
        for detail in check.details:
            screen.print(f"         {escape(detail)}", soft_wrap=True)
