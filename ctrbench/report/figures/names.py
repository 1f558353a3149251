"""Names beside points, where they cover neither each other nor other points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import altair as alt
import polars as pl

from ctrbench.report.figures.common import HEIGHT, WIDTH

_SIZE = 10
_WIDE = 0.56 * _SIZE
"""Of a letter, about."""
_POINT = 5.0
"""Half a point's width."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""


@dataclass(frozen=True)
class Side:
    """Where a name stands of its point."""

    align: Literal["left", "center", "right"]
    dx: int
    dy: int

    def box(self, across: float, down: float, name: str) -> Box:
        """What the name covers."""
        wide = _WIDE * len(name)
        left = across + self.dx - {"left": 0.0, "center": wide / 2, "right": wide}[self.align]
        middle = down + self.dy
        return left, middle - _SIZE / 2, left + wide, middle + _SIZE / 2


SIDES = (
    *(Side("left", 8, 0), Side("right", -8, 0), Side("center", 0, -12), Side("center", 0, 12)),
    *(Side("left", 6, -10), Side("right", -6, -10), Side("left", 6, 10), Side("right", -6, 10)),
)


class Plot:
    """A plot of `WIDTH` x `HEIGHT` whose horizontal axis is logarithmic, and just as far as its points reach."""

    def __init__(self, across: Sequence[float], up: Sequence[float]) -> None:
        logs = [math.log(value) for value in across]
        self.x, self.y = _widened(min(logs), max(logs), 0.12, 0.3), _widened(min(up), max(up), 0.08, 0.005)

    @property
    def scales(self) -> tuple[alt.Scale, alt.Scale]:
        """Of both axes."""
        ends = [math.exp(end) for end in self.x]
        return alt.Scale(type="log", domain=ends, nice=False), alt.Scale(domain=list(self.y), zero=False, nice=False)

    def named(self, points: pl.DataFrame, x: str, y: str) -> list[alt.Chart]:
        """The `row` of each point beside it, on the side where it covers least."""
        spots = [(*self._pixels(across, up), name) for across, up, name in points.select(x, y, "row").rows()]
        taken = [(a - _POINT, d - _POINT, a + _POINT, d + _POINT) for a, d, _ in spots]
        sides = []
        for across, down, name in spots:
            costs = [(_cover(side.box(across, down, name), taken), place) for place, side in enumerate(SIDES)]
            sides.append(min(costs)[1])
            taken.append(SIDES[sides[-1]].box(across, down, name))
        parts = points.select(x, y, "row").with_columns(side=pl.Series(sides)).partition_by("side", as_dict=True)
        return [
            alt.Chart(part)
            .mark_text(align=SIDES[side].align, dx=SIDES[side].dx, dy=SIDES[side].dy, fontSize=_SIZE, baseline="middle")
            .encode(x=f"{x}:Q", y=f"{y}:Q", text="row:N")
            for (side,), part in sorted(parts.items())
        ]

    def _pixels(self, across: float, up: float) -> tuple[float, float]:
        (left, right), (low, high) = self.x, self.y
        return WIDTH * (math.log(across) - left) / (right - left), HEIGHT * (high - up) / (high - low)


def _widened(low: float, high: float, share: float, least: float) -> tuple[float, float]:
    """Both ends with some room, so that values that are all but equal look it."""
    room = max(share * (high - low), least)
    return low - room, high + room


def _cover(box: Box, taken: Sequence[Box]) -> float:
    """How much of a box is taken, or outside of the plot."""
    inside = _common(box, (0.0, -2.0 * _SIZE, 1.08 * WIDTH, HEIGHT))
    return (box[2] - box[0]) * (box[3] - box[1]) - inside + sum(_common(box, other) for other in taken)


def _common(one: Box, other: Box) -> float:
    across, down = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return max(across, 0.0) * max(down, 0.0)
