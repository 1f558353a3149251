"""Why a plugin and this ctrbench do not fit, in one sentence that says which of them to change."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, requires
from typing import TYPE_CHECKING

from ctrbench._version import API_VERSION, OLDEST_API_VERSION, __version__
from ctrbench.deprecations import gone
from ctrbench.errors import in_words
from ctrbench.spelling import nearest

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

    from ctrbench.registry import Plugin

_MISSING = re.compile(r"cannot import name '(?P<name>\w+)' from '(?P<module>[\w.]+)'")
_PROMISED = ("ctrbench.api", "ctrbench.testing")


def explained(fault: BaseException, distribution: str) -> tuple[str, str]:
    """What an import of a distribution's plugin ran into, and what to do."""
    told = _missing(fault)
    return told or in_words(fault), _advice(distribution, asks=told is not None)


def refused(plugin: Plugin, stated: object) -> str:
    """What is to be said of a plugin that states an `api_version` which is not spoken here."""
    start = f"the {plugin.kind[:-1]} plugin {plugin.name!r} of {plugin.origin}"
    if type(stated) is not int:
        return (
            f"{start} states api_version {stated!r}, which is no version of ctrbench.api (these are whole numbers, "
            f"as in `api_version = {API_VERSION}`); repair or update {plugin.distribution}"
        )
    spoken = f"version {API_VERSION}"
    if OLDEST_API_VERSION < API_VERSION:
        spoken = f"versions {OLDEST_API_VERSION} to {API_VERSION}"
    late, early = "ctrbench", plugin.distribution
    if stated < API_VERSION:
        late, early = early, late
    return (
        f"{start} is built for version {stated} of ctrbench.api, and ctrbench {__version__} speaks {spoken}; "
        f"update {late}, or install an older {early}"
    )


def required(distribution: str) -> SpecifierSet | None:
    """Which versions of ctrbench a distribution says it needs; None where it says nothing."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        lines = requires(distribution) or []
    except PackageNotFoundError:
        return None
    for line in lines:
        try:
            one = Requirement(line)
        except InvalidRequirement:
            continue
        if canonicalize_name(one.name) == "ctrbench" and (one.marker is None or one.marker.evaluate({"extra": ""})):
            return one.specifier
    return None


def unfit(distribution: str) -> str:
    """What to say after the name of a distribution that requires another ctrbench; else nothing."""
    needed = required(distribution)
    if needed is None or needed.contains(__version__, prereleases=True):
        return ""
    return f"requires ctrbench {needed}, and {__version__} is installed: install versions that fit"


def _missing(fault: BaseException) -> str | None:
    """What became of a name of ours that a plugin imports and that is not there; None for any other fault."""
    if isinstance(fault, ModuleNotFoundError) and (fault.name or "").startswith("ctrbench."):
        return f"there is no {fault.name}; plugins import from {' and '.join(_PROMISED)} only"
    found = _MISSING.match(str(fault)) if isinstance(fault, ImportError) else None
    if found is None or found["module"].partition(".")[0] != "ctrbench":
        return None
    name, module = found["name"], found["module"]
    if module not in _PROMISED:
        return f"{module} has no {name!r}; plugins import from {' and '.join(_PROMISED)} only"
    if module == "ctrbench.api" and (told := gone(name)):
        return told
    near = nearest(name, getattr(sys.modules.get(module), "__all__", ()))
    meant = f", but {' and '.join(map(repr, near))}" if near else ""
    return f"{module} of ctrbench {__version__} has no {name!r}{meant}"


def _advice(distribution: str, asks: bool) -> str:
    """What to do; `asks`: the plugin asks for what this ctrbench has not."""
    if wanted := unfit(distribution):
        return f"{distribution} {wanted}"
    needed = required(distribution)
    advice = f"repair, update or uninstall {distribution}"
    if not asks:
        return advice
    if needed is None:
        return f"{advice}, or update ctrbench"
    which = f"ctrbench {needed}".rstrip()
    return f"{advice}, whose requirement of {which} lets it in, or update ctrbench"
