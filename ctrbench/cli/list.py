"""`ctrbench list`: what is installed, without importing it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING

from ctrbench import installed, registry
from ctrbench.bench.catalog import collision as table_collision, survey, title as table_title
from ctrbench.cli import examining
from ctrbench.cli.arguments import one_of
from ctrbench.cli.output import console
from ctrbench.errors import CtrbenchError
from ctrbench.registry import GROUPS, Plugin

if TYPE_CHECKING:
    from ctrbench.doctor.plugins import Health

HELP = "List what is installed. Nothing is imported for it, but with --details."

Line = tuple[str, str]
"""Text and style."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The kind, or all."""
    kinds = one_of(GROUPS)
    parser.add_argument("kind", nargs="?", type=kinds, metavar="KIND", help=f"one of {', '.join(GROUPS)}")
    parser.add_argument("--details", action="store_true", help="import each plugin, and say which ones are broken")
    examining.add_timeout(parser)


def run(args: argparse.Namespace) -> int:
    """A collision or a broken plugin is one red line; the rest is listed all the same."""
    from rich.text import Text

    screen = console(soft_wrap=True, highlight=False)
    kinds = [args.kind] if args.kind else [*GROUPS]
    known = _examined(kinds, args) if args.details else {}
    for kind in kinds:
        if not args.kind:
            screen.print(Text(kind, style="bold"))
        lines = _tables(known) if kind == "tables" else _plugins(kind, known)
        for text, style in dict.fromkeys(lines):
            screen.print(Text(f"{'' if args.kind else '  '}{text}", style=style))
    for fault in installed.faults():
        screen.print(Text(fault, style="red"))
    return 0


def _examined(kinds: list[str], args: argparse.Namespace) -> dict[Plugin, Health]:
    """Each imported, apart from this process."""
    from ctrbench.doctor.plugins import examine

    plugins = [plugin for kind in kinds for plugin in registry.plugins(kind)]
    with examining.telling(quiet=args.quiet) as tell:
        return {health.plugin: health for health in examine(plugins, args.timeout, tell)}


def _plugins(kind: str, known: Mapping[Plugin, Health]) -> Iterator[Line]:
    every = registry.plugins(kind)
    width = max((len(plugin.name) for plugin in every), default=0)
    for _, group in groupby(every, key=lambda plugin: plugin.name):
        same = list(group)
        if len(same) > 1:
            yield registry.collision(same), "red"
        else:
            yield from _plugin(same[0], width, known.get(same[0]))


def _plugin(plugin: Plugin, width: int, health: Health | None) -> Iterator[Line]:
    """One line, or more: a sentence for each fault in place of it, and for each note after it."""
    start = f"{plugin.name.ljust(width)}  {plugin.origin}"
    if health is None:
        yield start, ""
        return
    if not health.faults:
        yield "  ".join(part for part in (start, health.category, health.about) if part), ""
    yield from _sentences(health)


def _sentences(health: Health) -> Iterator[Line]:
    yield from ((fault, "red") for fault in health.faults)
    yield from ((note, "yellow") for note in health.notes)


def _tables(known: Mapping[Plugin, Health]) -> Iterator[Line]:
    catalog = survey()
    if not known:  # else a plugin's own sentence says so, here and below
        yield from ((fault, "red") for fault in catalog.faults)
    width = max((len(name) for name in catalog.found), default=0)
    for name, places in catalog.found.items():
        try:
            plugin, file = places[0]
            line = f"{name.ljust(width)}  {table_title(file)}  ({plugin.origin})"
            yield (line, "") if len(places) == 1 else (table_collision(name, places), "red")
        except CtrbenchError as error:
            if not known:
                yield str(error), "red"
    for plugin, health in known.items():
        yield from _sentences(health) if plugin.kind == "tables" else ()
