"""From one name to those of a distribution, a package, a plugin and a class; or why it cannot be taken."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from keyword import iskeyword

from ctrbench import registry
from ctrbench.bench import catalog
from ctrbench.errors import ConfigError
from ctrbench.scaffold.kinds import Kind

LONGEST = 30
"""Characters of a name. Rows of tables have it, and lines of code that are well formed with it."""
_LEGAL = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_ELSE = "choose another name"


@dataclass(frozen=True)
class Names:
    """What one new plugin is called, in each place."""

    distribution: str
    """As installers know it: `my-fm`."""
    package: str
    """As Python imports it, and as the plugin is registered: `my_fm`."""
    class_name: str
    """As its class is called, if it has one: `MyFmModel`."""

    @classmethod
    def of(cls, text: str, kind: Kind) -> Names:
        """The names that follow from what somebody wrote; `ConfigError` says what is wrong with it."""
        name = text.lower()
        if not _LEGAL.fullmatch(name) or len(name) > LONGEST:
            raise ConfigError(
                f"{text!r} is no name for a plugin: take letters, digits, - and _, a letter first, at most {LONGEST} "
                f"characters; such as {_legal(name)}"
            )
        package = name.replace("-", "_")
        words = "".join(word.capitalize() for word in package.split("_"))
        names = cls(package.replace("_", "-"), package, words.removesuffix(kind.suffix) + kind.suffix)
        _check_python(names)
        _check_plugins(names, kind)
        _check_installed(names)
        return names


def _legal(name: str) -> str:
    words = "-".join(re.findall(r"[a-z0-9]+", name)).lstrip("-0123456789")
    return words[:LONGEST].rstrip("-") or "my-plugin"


def _check_python(names: Names) -> None:
    if iskeyword(names.package):
        raise ConfigError(f"{names.package!r} is a word of Python's own, so no package can be called that; {_ELSE}")
    if names.package in sys.stdlib_module_names or names.package == "test":  # which that list leaves out
        raise ConfigError(f"Python has a module {names.package!r} of its own, which a package would hide; {_ELSE}")


def _check_plugins(names: Names, kind: Kind) -> None:
    """Names that differ by dashes only are taken for each other, so they count as one."""
    for plugin in registry.plugins(kind.registered):
        if _folded(plugin.name) == names.package:
            raise ConfigError(
                f"the {kind.registered[:-1]} {plugin.name!r} is there already, from {plugin.origin} ({plugin.value}); "
                f"{_ELSE}"
            )
    if kind.registered != "tables":
        return
    if names.package == catalog.ALL:
        raise ConfigError(f"{names.package!r} stands for every table on the command line; {_ELSE}")
    for table, places in catalog.survey().found.items():
        if _folded(table) == names.package:
            raise ConfigError(f"the table {table!r} is there already, from {places[0][0].origin}; {_ELSE}")


def _check_installed(names: Names) -> None:
    """Another package of this name would take the place of what is there, or the other way round."""
    try:
        raise ConfigError(
            f"a distribution {names.distribution} {version(names.distribution)} is installed already; uninstall it, or "
            f"{_ELSE}"
        )
    except PackageNotFoundError:
        pass
    if owners := packages_distributions().get(names.package):
        raise ConfigError(f"a package {names.package!r} is installed already, with {owners[0]}; {_ELSE}")


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")
