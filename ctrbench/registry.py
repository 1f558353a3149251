"""Plugins by name: entry points are listed without importing them, and imported when they are used.

Nothing here imports torch, transformers or polars.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

from ctrbench._version import API_VERSION, OLDEST_API_VERSION
from ctrbench.errors import PluginError
from ctrbench.installed import entries
from ctrbench.spelling import suggest

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

    @property
    def facts(self) -> dict[str, str]:
        """Who brings it, as prepared datasets and records of runs state it."""
        return {"distribution": self.distribution, "version": self.version, "entry_point": self.value}

    def load(self) -> Any:
        """Import the object.

        Raises `PluginError`, naming plugin, distribution and fault, whatever the import ran into, and for a plugin
        that is built for another `api_version`: one broken plugin must not take the others down.
        """
        from ctrbench.conduct.watch import importing

        with importing(self):
            return self.load_unwatched()

    def load_unwatched(self) -> Any:
        """The same, where the caller watches what the import does to the process."""
        point = EntryPoint(self.name, self.value, GROUPS[self.kind])
        try:
            if not point.pattern.match(self.value):
                raise PluginError("that is not `module:object`")
            loaded = point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as fault:  # also SystemExit, and what a panic in Rust becomes
            from ctrbench.compatibility import explained

            raise PluginError(self.not_imported(*explained(fault, self.distribution))) from fault
        self.check_api(self.stated_api(loaded))
        return loaded

    def not_imported(self, fault: str, advice: str = "") -> str:
        """The sentence for a plugin whose import ends in `fault`."""
        return (
            f"the {self.kind[:-1]} plugin {self.name!r} of {self.origin} cannot be imported from {self.value} "
            f"({fault}); {advice or f'repair, update or uninstall {self.distribution}'}"
        )

    def stated_api(self, loaded: Any) -> object:
        """The `api_version` of the imported object, or else of its entry point's module; None where none is stated."""
        module = sys.modules.get(self.value.partition(":")[0])
        return getattr(loaded, "api_version", getattr(module, "api_version", None))

    def check_api(self, stated: object) -> None:
        """Raise `PluginError` for an `api_version` that is not spoken here; None, for none stated, counts as 1."""
        if stated is not None and not (type(stated) is int and OLDEST_API_VERSION <= stated <= API_VERSION):
            from ctrbench.compatibility import refused

            raise PluginError(refused(self, stated))


def plugins(kind: str) -> list[Plugin]:
    """All plugins of a kind, sorted by name; two distributions with one name stay two entries."""
    found = {Plugin(kind, *entry[1:]) for entry in entries(GROUPS[kind])}
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
    return f"the {same[0].kind[:-1]} {same[0].name!r} is claimed by {where}; {leave_one(same)}"


def leave_one(same: Iterable[Plugin]) -> str:
    """What to do about plugins that share a name; nobody is told to do without ctrbench."""
    every = sorted({plugin.distribution for plugin in same})
    others = [name for name in every if name != "ctrbench"]
    if len(every) == 1:
        return f"rename all but one of them in {every[0]}" + (f", or uninstall {every[0]}" if others else "")
    if len(others) < len(every):
        return f"uninstall {' and '.join(others)}, or rename it there"
    return "uninstall one of them"
