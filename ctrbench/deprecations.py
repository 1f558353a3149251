"""What of `ctrbench.api` goes, or is gone: it works on for one minor version at least, and says what to use instead."""

from __future__ import annotations

import warnings
from typing import NamedTuple


class CtrbenchDeprecation(FutureWarning):
    """A plugin uses a name, attribute or parameter that a coming version of ctrbench will not have.

    A `FutureWarning`, which Python shows: a `DeprecationWarning` would reach neither users nor most authors.
    """


class Deprecation(NamedTuple):
    """since: the version that warns first. gone: the version without it, in a later minor version.

    instead: what to do, as an advice: "use `PerDomain`". where: `module:attribute` of a name of `ctrbench.api`, as
    long as that works; empty for attributes and parameters, which call `warn`, and for what is gone.
    """

    since: str
    gone: str
    instead: str
    where: str = ""


DEPRECATIONS: dict[str, Deprecation] = {}
"""By name: `Batch`, `Batch.groups` or `mlp(out)`. What is gone stays, so that plugins that ask for it are told."""


def warn(what: str, stacklevel: int = 2) -> None:
    """Tell whoever uses `what`, a key of `DEPRECATIONS`; `stacklevel` as in `warnings.warn`, 1 being the caller."""
    told = DEPRECATIONS[what]
    message = f"`{what}` will be gone in ctrbench {told.gone}: {told.instead}"
    warnings.warn(message, CtrbenchDeprecation, stacklevel + 1)


def gone(what: str) -> str | None:
    """What is to be said of a name that was removed; None for any other."""
    told = DEPRECATIONS.get(what)
    return None if told is None else f"`{what}` was removed in ctrbench {told.gone}: {told.instead}"
