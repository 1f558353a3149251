"""Whether a class that a plugin calls a source says of itself what ctrbench asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from ctrbench import registry
from ctrbench.conduct.blame import Suspect, accused, blaming
from ctrbench.data.source import DatasetSource, Field, Prompt
from ctrbench.registry import Plugin

_LOOKING = "when its class was looked at"
_FLAGS = ("automatic", "synthetic")
_PARTS: dict[str, tuple[str, type, Callable[[Any], bool]]] = {
    "fields": ("a tuple", Field, lambda found: isinstance(found, tuple | list)),
    "prompts": ("a mapping from names", Prompt, lambda found: isinstance(found, Mapping)),
}
"""What holds several of which class, and whether a value may."""


def source_class(name: str) -> type[DatasetSource]:
    """A registered source's class; `PluginError` where there is none, or where it says of itself what cannot be."""
    suspect, kind = Suspect("datasets", name), registry.load("datasets", name)
    with blaming(suspect, _LOOKING):
        fault = source_fault(kind)
    if fault:
        raise suspect.did(fault)
    found: type[DatasetSource] = kind
    return found


def check_source(plugin: Plugin, kind: Any) -> None:
    """A class that is no source is its plugin's fault; `PluginError` says so."""
    with blaming(Suspect(plugin.kind, plugin.name), _LOOKING):
        fault = source_fault(kind)
    if fault:
        raise accused(plugin, fault)


def source_fault(kind: Any) -> str:
    """The first thing that is wrong with a source's class, as what follows its name in a sentence; or nothing."""
    return next(_faults(kind), "")


def _faults(kind: Any) -> Iterator[str]:
    if not (isinstance(kind, type) and issubclass(kind, DatasetSource)):
        yield f"is no DatasetSource: {kind!r} is not derived from it"
        return
    if lacking := sorted(kind.__abstractmethods__):
        yield f"has no {' and no '.join(lacking)}, as a DatasetSource must"
    if not (isinstance(kind.version, str) and kind.version):
        yield f"has version = {kind.version!r}, which is to be a text such as '1'"
    for name in _FLAGS:
        if not isinstance(flag := getattr(kind, name), bool):
            yield f"has {name} = {flag!r}, which is to be True or False"
    if not (isinstance(kind.Options, type) and issubclass(kind.Options, BaseModel)):
        yield f"has Options = {kind.Options!r}, which is no pydantic model"
    for name in _PARTS:
        yield from _faults_of_parts(kind, name)


def _faults_of_parts(kind: type[DatasetSource], name: str) -> Iterator[str]:
    """Of `fields` or `prompts`; those that only an instance has, as they depend on its options or files, pass."""
    what, part, fits = _PARTS[name]
    if not hasattr(kind, name):
        if (kind.at, kind.__init__) == (DatasetSource.at, DatasetSource.__init__):
            yield f"has no `{name}`, which is to be {what} of `{part.__name__}`"
        return
    found = getattr(kind, name)
    if hasattr(found, "__get__"):
        return
    if not fits(found):
        yield f"has {name} = {found!r}, which is to be {what} of `{part.__name__}`"
        return
    odd = [one for one in (found.values() if isinstance(found, Mapping) else found) if not isinstance(one, part)]
    if odd:
        yield f"has {odd[0]!r} among its `{name}`, which is no `{part.__name__}`"
