"""Which tables there are: TOML files in the packages that plugins name, which are not imported for it."""

from __future__ import annotations

import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ctrbench import registry
from ctrbench.errors import ConfigError, PluginError
from ctrbench.registry import Plugin, suggest


def tables() -> dict[str, list[tuple[Plugin, Path]]]:
    """Every table's name, with the plugins that bring it (more than one is a collision) and their files."""
    found: dict[str, list[tuple[Plugin, Path]]] = {}
    for plugin in registry.plugins("tables"):
        for file in files(plugin):
            found.setdefault(file.stem, []).append((plugin, file))
    return dict(sorted(found.items()))


def files(plugin: Plugin) -> list[Path]:
    """The specs in one plugin's package; `PluginError` when there is no such package."""
    package = plugin.value.partition(":")[0]
    try:
        folder = _folder(package)
    except Exception as fault:
        raise _broken(plugin, f"{type(fault).__name__}: {fault}") from fault
    if folder is None:
        raise _broken(plugin, f"there is no package {package}")
    return sorted(folder.glob("*.toml"))


def locate(name: str) -> Path:
    """The file of a table given by name, or by the path of a .toml file."""
    if name.endswith(".toml"):
        return Path(name)
    every = tables()
    if name not in every:
        hint = suggest(name, every)
        raise ConfigError(f"unknown table {name!r}.{hint} (A path to a .toml file works, too.)")
    found = every[name]
    if len(found) > 1:
        where = " and ".join(f"{plugin.origin} ({file})" for plugin, file in found)
        raise ConfigError(f"the table {name!r} is claimed by {where}; give the path of the one you mean")
    return found[0][1]


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file; `ConfigError` with file and line when it cannot be read."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"{path} cannot be read: {fault}") from None
    except tomllib.TOMLDecodeError as fault:
        raise ConfigError(f"{path} is not valid TOML: {fault}") from None


def _folder(package: str) -> Path | None:
    """Where a package lies; its parents are imported only where folders do not follow names."""
    top, *rest = package.split(".")
    spec = find_spec(top)
    for location in (spec.submodule_search_locations if spec else None) or []:
        if (folder := Path(location, *rest)).is_dir():
            return folder
    spec = find_spec(package) if spec else None
    locations = (spec.submodule_search_locations if spec else None) or []
    return next((Path(location) for location in locations), None)


def _broken(plugin: Plugin, fault: str) -> PluginError:
    return PluginError(
        f"the table plugin {plugin.name!r} of {plugin.origin} cannot be found ({fault}); "
        f"repair, update or uninstall {plugin.distribution}"
    )
