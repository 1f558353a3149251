"""Which distributions a distribution requires, and whether they are there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement

from ctrbench._version import __version__

OURS = "ctrbench"
_OF_DEVELOPERS = "dev"


@dataclass(frozen=True)
class Library:
    """A requirement, and what is installed of it.

    `extra`: the extra that asks for it, else empty. `version`: what is installed, None where nothing is. `state`: `ok`,
    `missing`, `unfit` (another version is installed), or `absent`: an extra's, which nobody has to have.
    """

    name: str
    required: str
    extra: str
    version: str | None
    state: str


def libraries(distribution: str = OURS) -> list[Library]:
    """What `distribution` requires on this system, then what its extras do, but the one for its own developers.

    Raises `PackageNotFoundError` for one that is not installed, and `InvalidRequirement` for metadata that are wrong.
    """
    wanted = [Requirement(text) for text in requires(distribution) or ()]
    return [library for extra in ("", *extras(distribution)) for library in _of_extra(wanted, extra)]


def extras(distribution: str) -> list[str]:
    """The extras that a user may want."""
    every = metadata(distribution).get_all("Provides-Extra") or ()
    return [extra for extra in every if extra != _OF_DEVELOPERS]


def unmet(distribution: str) -> list[str]:
    """What a distribution itself requires and has not, in words: `ctrbench>=2 (0.1.0 is installed)`."""
    return [
        f"{library.name}{library.required} ({library.version or 'nothing'} is installed)"
        for library in libraries(distribution)
        if library.state in ("missing", "unfit") and not library.extra
    ]


def _of_extra(wanted: list[Requirement], extra: str) -> Iterator[Library]:
    for one in wanted:
        if one.marker is None:
            asked = not extra
        else:
            asked = one.marker.evaluate({"extra": extra}) and not (extra and one.marker.evaluate({"extra": ""}))
        if asked:
            there = _installed(one.name)
            yield Library(one.name, str(one.specifier), extra, there, _state(one, extra, there))


def _state(wanted: Requirement, extra: str, there: str | None) -> str:
    if there is None:
        return "absent" if extra else "missing"
    return "ok" if wanted.specifier.contains(there, prereleases=True) else "unfit"


def _installed(name: str) -> str | None:
    if name == OURS:
        return __version__  # of the code that runs
    try:
        return version(name)
    except PackageNotFoundError:
        return None
