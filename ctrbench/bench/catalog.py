"""Which tables there are: TOML files in the packages that plugins name, which are not imported for it."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ctrbench import registry
from ctrbench.errors import ConfigError, PluginError
from ctrbench.registry import Plugin
from ctrbench.spelling import suggest

ALL = "all"
"""What stands for every table on the command line, so that none can be called so."""


@dataclass
class Catalog:
    """Every table's name with the plugins that bring it and their files, and which plugins are broken."""

    found: dict[str, list[tuple[Plugin, Path]]] = field(default_factory=dict)
    """More than one place for a name is a collision."""
    faults: list[str] = field(default_factory=list)


def survey() -> Catalog:
    """All tables; a broken plugin is a fault beside them, and hides none of the others."""
    catalog = Catalog()
    for plugin in registry.plugins("tables"):
        try:
            for file in files(plugin):
                catalog.found.setdefault(file.stem, []).append((plugin, file))
        except PluginError as error:
            catalog.faults.append(str(error))
    catalog.found = dict(sorted(catalog.found.items()))
    return catalog


def files(plugin: Plugin) -> list[Path]:
    """The specs in one plugin's package; `PluginError` when there is none, or it is for another `api_version`."""
    folder = folder_of(plugin)
    plugin.check_api(stated_api(folder))
    return sorted(folder.glob("*.toml"))


def folder_of(plugin: Plugin) -> Path:
    """Where one plugin's package is; `PluginError` when there is none."""
    package = plugin.value.partition(":")[0]
    try:
        folder = _folder(package)
    except Exception as fault:
        raise _broken(plugin, f"{type(fault).__name__}: {fault}") from fault
    if folder is None:
        raise _broken(plugin, f"there is no package {package}")
    return folder


def stated_api(folder: Path) -> object:
    """The `api_version` that a package states in its `__init__.py`, which is not imported; None where it does not."""
    try:
        lines = ast.parse((folder / "__init__.py").read_text("utf-8")).body
        for line in lines:
            if isinstance(line, ast.Assign | ast.AnnAssign):
                name, _, value = ast.unparse(line).partition(" = ")
                if name.partition(":")[0] == "api_version":
                    return ast.literal_eval(value)
    except (OSError, SyntaxError, ValueError):
        pass  # a folder without code, or with what only an import could tell
    return None


def locate(name: str) -> Path:
    """The file of a table given by name, or by the path of a .toml file."""
    if name.endswith(".toml"):
        return Path(name)
    catalog = survey()
    found = catalog.found
    if name not in found:
        broken = "".join(f" Besides, {fault}." for fault in catalog.faults)
        raise ConfigError(f"unknown table {name!r}.{suggest(name, found)} (A path to a .toml file works, too.){broken}")
    if len(found[name]) > 1:
        raise ConfigError(collision(name, found[name]))
    return found[name][0][1]


def brought_by(file: Path) -> dict[str, str]:
    """A table's name and who brings it; a file outside of every plugin's package has a name alone."""
    plugin = plugin_of(file)
    return {"name": file.stem, **(plugin.facts if plugin else {})}


def plugin_of(file: Path) -> Plugin | None:
    """Who brings a table's file; None for one outside of every plugin's package."""
    places = survey().found.get(file.stem, [])
    return next((plugin for plugin, place in places if place.resolve() == file.resolve()), None)


def of_kind(kind: str) -> list[str]:
    """The names of all tables of one kind; a file that cannot be read has none."""
    return [name for name, places in survey().found.items() if any(_kind(file) == kind for _, file in places)]


def _kind(file: Path) -> str:
    try:
        return str(read_toml(file).get("kind", ""))
    except ConfigError:
        return ""


def collision(name: str, places: Sequence[tuple[Plugin, Path]]) -> str:
    """The sentence for a table that two plugins bring."""
    where = " and ".join(f"{plugin.origin} ({file})" for plugin, file in places)
    return f"the table {name!r} is claimed by {where}; give the path of the one you mean"


def title(file: Path) -> str:
    """What a table is, in its own words; what is wrong in the file's later parts is not seen."""
    try:
        # The title stands before the first `[part]`, and most of a list's time would go into parsing the rest.
        raw = tomllib.loads(file.read_text("utf-8").partition("\n[")[0])
    except (OSError, ValueError):
        raw = read_toml(file)  # there is more to it, such as a `[` in a text; or it says what is wrong
    return str(raw.get("title", ""))


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
    """Where a package lies. Nothing is imported, so not its parents either, which `find_spec` would import."""
    top, *rest = package.split(".")
    for folder in _locations(find_spec(top)):
        if (inner := folder.joinpath(*rest)).is_dir():
            return inner
    # Where folders do not follow names, as in editable installs, a finder knows; that of `sys.path` needs the parents.
    mapped = (finder.find_spec(package, None) for finder in sys.meta_path if finder is not PathFinder)
    return next((folder for spec in mapped for folder in _locations(spec)), None)


def _locations(spec: ModuleSpec | None) -> list[Path]:
    """The folders of a package; a module has none."""
    return [Path(location) for location in (spec.submodule_search_locations if spec else None) or ()]


def _broken(plugin: Plugin, fault: str) -> PluginError:
    return PluginError(
        f"the table plugin {plugin.name!r} of {plugin.origin} cannot be found ({fault}); "
        f"repair, update or uninstall {plugin.distribution}"
    )
