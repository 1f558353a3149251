"""`ctrbench doctor`: what is here, and whether it works."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ctrbench.cli import examining
from ctrbench.cli.output import console

if TYPE_CHECKING:
    from ctrbench.doctor.checkup import Checkup

HELP = "Look at environment, devices, libraries, plugins and caches. Exit code 1 where something is to be mended."

Row = tuple[str, ...]
"""Cells; the last one is a state."""
Line = tuple[str, str]
"""Text and style."""
STYLES = {"ok": "", "": "", "not installed": "dim", "cannot be written": "yellow"}
"""Of states; the others are red."""
STATES = {
    "unfit": "requirements not met",
    "absent": "not installed",
    "name_taken": "name taken",
    "other_api": "built for another API",
}
"""In words, where they are not the word itself."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The form, and how long a plugin may take."""
    parser.add_argument("--json", action="store_true", help="one object, for programs; see docs/doctor.md")
    examining.add_timeout(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 where nothing is to be mended, else 1."""
    from ctrbench.doctor.checkup import checkup

    with examining.telling(quiet=args.quiet) as tell:
        found = checkup(args.timeout, tell)
    if args.json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        _print(found)
    return 1 if found.faults else 0


def _print(found: Checkup) -> None:
    """Part by part; then each sentence once, so that what matters stands last."""
    from rich.text import Text

    screen, faults = console(soft_wrap=True, highlight=False), found.faults
    notes = [note for health in found.plugins for note in health.notes]
    parts: dict[str, list[Line]] = {
        "environment": _aligned(_environment(found)),
        "devices": _aligned(_devices(found)),
        "libraries": _aligned(_libraries(found)),
        "plugins": _aligned(_plugins(found)),
        "caches": _aligned(_caches(found)),
        "worth knowing": [(note, "yellow") for note in notes],
        "to be mended": [(fault, "red") for fault in faults],
    }
    for title, lines in parts.items():
        if lines:
            screen.print(Text(title, style="bold"))
        for text, style in lines:
            screen.print(Text(f"  {text}", style=style))
    if not faults:
        screen.print(Text("nothing is to be mended", style="bold"))


def _aligned(rows: Iterable[Row]) -> list[Line]:
    every = list(rows)
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    lines = ("  ".join(map(str.ljust, cells, widths)).rstrip() for cells in every)
    return [(line, STYLES.get(cells[-1], "red")) for line, cells in zip(lines, every, strict=True)]


def _environment(found: Checkup) -> Iterator[Row]:
    if facts := found.environment:
        yield "ctrbench", f"{facts['ctrbench']}, which speaks version {facts['api_version']} of ctrbench.api", ""
        yield "Python", f"{facts['python']} ({facts['executable']})", ""
        yield "system", facts["platform"], ""
        yield "processor", f"{facts['processor']}, {facts['cores']} cores, {facts['cores_usable']} usable", ""
        yield "memory", _of(facts), ""


def _devices(found: Checkup) -> Iterator[Row]:
    if facts := found.devices:
        built = f"built for CUDA {facts['cuda']}" if facts["cuda"] else "built without CUDA"
        yield "cpu", f"torch {facts['torch']}, {built}", f"{facts['threads']} threads", "", "ok"
        for device in facts["found"]:
            half = {True: "bf16", False: "no bf16", None: ""}[device["bf16"]]
            yield device["device"], device["name"], _of(device), half, "broken" if device["fault"] else "ok"


def _libraries(found: Checkup) -> Iterator[Row]:
    for library in found.libraries:
        asked = f"ctrbench[{library.extra}]" if library.extra else ""
        yield library.name, library.version or "-", library.required, asked, STATES.get(library.state, library.state)


def _plugins(found: Checkup) -> Iterator[Row]:
    for health in found.plugins:
        plugin = health.plugin
        seconds = "" if health.seconds is None else f"{health.seconds:.1f} s"
        stated = "" if health.seconds is None else "API not stated"
        stated = stated if health.api_version is None else f"API {health.api_version}"
        state = STATES.get(health.state, health.state)
        yield plugin.kind, plugin.name, plugin.origin, plugin.value, stated, seconds, state


def _caches(found: Checkup) -> Iterator[Row]:
    from rich.filesize import decimal

    for cache in found.caches:
        unread = f", and {cache['unread']} folders that cannot be read" if cache["unread"] else ""
        size = f"{decimal(cache['bytes'])} in {cache['files']} files{unread}"
        yield cache["name"], size, cache["path"], cache["about"], f"moved by {cache['moved_by']}", ""
    for disk in found.disks:
        where = f"room for {'the cache' if disk['use'] == 'cache' else disk['use']}"
        state = "" if disk["writable"] else "cannot be written"
        yield where, _of(disk), disk["path"], "", f"moved by {disk['moved_by']}", state


def _of(facts: dict[str, int]) -> str:
    from rich.filesize import decimal

    total = "total_bytes" if "total_bytes" in facts else "memory_bytes"
    return f"{decimal(facts['free_bytes'])} free of {decimal(facts[total])}"
