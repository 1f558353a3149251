"""What long work on data tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Stage:
    """One moment of a preparation, or other long work: what it does now, and `done` of `total` units of it.

    A total of 0 is an unknown one.
    """

    name: str
    done: int = 0
    total: int = 0
    unit: Literal["rows", "bytes", "runs"] = "rows"


Tell = Callable[[Stage], None]


def silent(stage: Stage) -> None:
    """Tell nobody."""
