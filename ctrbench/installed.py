"""Which entry points installed distributions have for ctrbench: one quick look at each, and no import."""

from __future__ import annotations

import re
import sys
from email.parser import HeaderParser
from functools import lru_cache
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import NamedTuple

UNKNOWN = "an unknown distribution"


class Entry(NamedTuple):
    """One line of a distribution's `entry_points.txt`."""

    group: str
    name: str
    value: str
    distribution: str
    version: str


class Installed(NamedTuple):
    """All entries in ctrbench's groups, and a sentence for each distribution whose entries cannot be read."""

    entries: tuple[Entry, ...]
    faults: tuple[str, ...]


def entries(group: str) -> list[Entry]:
    """The entries of one group."""
    return [entry for entry in _look(_places()).entries if entry.group == group]


def faults() -> list[str]:
    """What is wrong with distributions that seem to have entries; it hides none of the others."""
    return list(_look(_places()).faults)


def _places() -> tuple[tuple[str, int], ...]:
    """Where distributions may be, with times of change: whatever is installed or removed there changes them."""
    return tuple((place, _changed(Path(place))) for place in sys.path)


def _changed(place: Path) -> int:
    try:
        return place.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=1)
def _look(places: tuple[tuple[str, int], ...]) -> Installed:
    """Of two copies of one distribution, the first on the path counts, as it does for imports."""
    found: dict[str, list[Entry]] = {}
    wrong = []
    for distribution in distributions():
        try:
            # Nothing else is read of the many distributions that bring no plugins.
            if "[ctrbench." not in (distribution.read_text("entry_points.txt") or ""):
                continue
            name, version = _who(distribution)
            key = re.sub(r"[-_.]+", "-", name).lower()
            if key not in found and not _hidden(distribution, name):
                found[key] = _entries(distribution, name, version)
        except (OSError, ValueError) as fault:
            wrong.append(f"the plugins of {_origin(distribution)} cannot be listed ({fault}); update or uninstall it")
    return Installed(tuple(entry for some in found.values() for entry in some), tuple(wrong))


def _entries(distribution: Distribution, name: str, version: str) -> list[Entry]:
    try:
        every = list(distribution.entry_points)
    except TypeError as fault:  # of importlib.metadata
        raise ValueError("a line of its entry_points.txt is not `name = module:object`") from fault
    return [Entry(one.group, one.name, one.value, name, version) for one in every if one.group.startswith("ctrbench.")]


def _hidden(distribution: Distribution, name: str) -> bool:
    """Whether another copy comes first on the path, be it one without plugins."""
    first = next(iter(Distribution.discover(name=name)), distribution)
    return first.locate_file("") != distribution.locate_file("")


def _who(distribution: Distribution) -> tuple[str, str]:
    """Name and version. `distribution.metadata` would parse all of a README for each of them."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    head = HeaderParser().parsestr(text.partition("\n\n")[0])
    return head.get("Name") or UNKNOWN, head.get("Version") or ""


def _origin(distribution: Distribution) -> str:
    try:
        return " ".join(_who(distribution)).strip()
    except (OSError, ValueError):
        return f"{UNKNOWN} in {distribution.locate_file('')}"
