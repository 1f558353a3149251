"""Plugins by name: entry points are listed without importing them, and imported when they are used.

Nothing here imports torch, transformers or polars.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ctrbench.errors import PluginError

GROUPS = {
    "models": "ctrbench.models",
    "datasets": "ctrbench.datasets",
    "backbones": "ctrbench.backbones",
    "tables": "ctrbench.tables",
}


@dataclass(frozen=True)
class Plugin:
    """One entry point: what it is called, where it points, and which distribution brings it."""

    kind: str
    name: str
    value: str
    distribution: str
    version: str

    @property
    def origin(self) -> str:
        """Distribution and version, as people write them."""
        return f"{self.distribution} {self.version}".strip()

    def load(self) -> Any:
        """Import the object.

        Raises `PluginError`, naming plugin, distribution and fault, whatever the import ran into: one broken
        plugin must not take the others down.
        """
        try:
            return EntryPoint(self.name, self.value, GROUPS[self.kind]).load()
        except (Exception, SystemExit) as fault:
            raise PluginError(
                f"the {self.kind[:-1]} plugin {self.name!r} of {self.origin} cannot be imported from "
                f"{self.value} ({_describe(fault)}); repair, update or uninstall {self.distribution}"
            ) from fault


def plugins(kind: str) -> list[Plugin]:
    """All plugins of a kind, sorted by name; two distributions with one name stay two entries."""
    found = {_plugin(kind, entry) for entry in entry_points(group=GROUPS[kind])}
    return sorted(found, key=lambda p: (p.name, p.distribution, p.value))


def names(kind: str) -> list[str]:
    """The names of a kind, sorted, each once."""
    return sorted({plugin.name for plugin in plugins(kind)})


def find(kind: str, name: str) -> Plugin:
    """The one plugin of that name; `PluginError` when there is none, or more than one."""
    every = plugins(kind)
    found = [plugin for plugin in every if plugin.name == name]
    if not found:
        raise PluginError(f"unknown {kind[:-1]} {name!r}.{suggest(name, {p.name for p in every})}")
    if len(found) > 1:
        raise PluginError(collision(found))
    return found[0]


def load(kind: str, name: str) -> Any:
    """Find a plugin and import it."""
    return find(kind, name).load()


def collision(same: list[Plugin]) -> str:
    """The sentence for plugins that share a name."""
    where = " and ".join(f"{plugin.origin} ({plugin.value})" for plugin in same)
    return f"the {same[0].kind[:-1]} {same[0].name!r} is claimed by {where}; uninstall one of them"


def suggest(word: str, known: Iterable[str]) -> str:
    """What to say after an unknown word: the nearest known ones, else all of them.

    Starts with a space, so that it follows the full stop of the sentence that names the word.
    """
    options = sorted(known)
    if not options:
        return " There are none."
    by_folded = {_folded(option): option for option in options}
    near = get_close_matches(_folded(word), by_folded, n=3, cutoff=0.6)
    best = [match for match in near if _likeness(word, match) > _likeness(word, near[0]) - 0.1]
    if best:
        return f" Did you mean {' or '.join(repr(by_folded[match]) for match in best)}?"
    return f" Known: {', '.join(options)}."


def _likeness(word: str, folded: str) -> float:
    return SequenceMatcher(None, folded, _folded(word)).ratio()


def _folded(word: str) -> str:
    return word.lower().replace("-", "_")


def _plugin(kind: str, entry: EntryPoint) -> Plugin:
    if entry.dist is None:
        return Plugin(kind, entry.name, entry.value, "an unknown distribution", "")
    return Plugin(kind, entry.name, entry.value, entry.dist.name, entry.dist.version)


def _describe(fault: BaseException) -> str:
    text = str(fault).strip()
    return f"{type(fault).__name__}: {text.splitlines()[0]}" if text else type(fault).__name__
