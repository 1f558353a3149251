"""`ctrbench list`: what is installed, without importing it."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator
from itertools import groupby

from ctrbench import registry
from ctrbench.bench.catalog import collision as table_collision, survey, title as table_title
from ctrbench.cli.arguments import one_of
from ctrbench.cli.output import console
from ctrbench.errors import CtrbenchError
from ctrbench.registry import GROUPS, Plugin

HELP = "List what is installed. Nothing is imported for it, but with --details."

Line = tuple[str, str]
"""Text and style."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The kind, or all."""
    kinds = one_of(GROUPS)
    parser.add_argument("kind", nargs="?", type=kinds, metavar="KIND", help=f"one of {', '.join(GROUPS)}")
    parser.add_argument("--details", action="store_true", help="import each plugin, and say which ones are broken")


def run(args: argparse.Namespace) -> int:
    """A collision or a broken plugin is one red line; the rest is listed all the same."""
    from rich.text import Text

    screen = console(soft_wrap=True, highlight=False)
    for kind in [args.kind] if args.kind else GROUPS:
        if not args.kind:
            screen.print(Text(kind, style="bold"))
        lines = _tables() if kind == "tables" else _plugins(kind, args.details)
        for text, style in lines:
            screen.print(Text(f"{'' if args.kind else '  '}{text}", style=style))
    return 0


def _plugins(kind: str, details: bool) -> Iterator[Line]:
    every = registry.plugins(kind)
    width = max((len(plugin.name) for plugin in every), default=0)
    for _, group in groupby(every, key=lambda plugin: plugin.name):
        same = list(group)
        if len(same) > 1:
            yield registry.collision(same), "red"
        else:
            yield _plugin(same[0], width, details)


def _plugin(plugin: Plugin, width: int, details: bool) -> Line:
    start = f"{plugin.name.ljust(width)}  {plugin.origin}"
    if not details:
        return start, ""
    try:
        loaded = plugin.load()
    except CtrbenchError as error:
        return str(error), "red"
    category = getattr(loaded, "category", "")
    about = (inspect.getdoc(loaded) or "").partition("\n")[0]
    return "  ".join(part for part in (start, str(category), about) if part), ""


def _tables() -> Iterator[Line]:
    catalog = survey()
    yield from ((fault, "red") for fault in catalog.faults)
    width = max((len(name) for name in catalog.found), default=0)
    for name, places in catalog.found.items():
        try:
            plugin, file = places[0]
            line = f"{name.ljust(width)}  {table_title(file)}  ({plugin.origin})"
            yield (line, "") if len(places) == 1 else (table_collision(name, places), "red")
        except CtrbenchError as error:
            yield str(error), "red"
