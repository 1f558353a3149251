"""What long work tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """One moment of a run: `done` of `total` rows in a stage; `loss` and `auc` (mean, validation) are the latest."""

    stage: Literal["features", "states", "train", "score"]
    done: int
    total: int
    epoch: int = 0
    epochs: int = 0
    loss: float | None = None
    auc: float | None = None
    rows_per_s: float | None = None


Watch = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Watch nothing."""
