"""Names beside points, where they cover neither each other nor other points; a line leads to a name that is away."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import altair as alt
import polars as pl

from ctrbench.report.figures.boxes import Box, Line, common, cross, crosses
from ctrbench.report.figures.common import HEIGHT, WIDTH

_SIZE = 10
_WIDE, _NARROW = 0.6 * _SIZE, 0.3 * _SIZE
"""Of a letter, about."""
_POINT, _CLEAR = 5.0, 6.5
"""Half a point's width, and how far other points' names keep off its centre, lest they be taken for its own."""
_AWAY = (0.0, 5.0, 11.0, 18.0, 26.0, 36.0, 48.0, 62.0, 80.0, 100.0)
"""How far a name may be from its point, at the nearest first."""
_AROUND = 16
"""Directions in which it may be."""
_UPRIGHT = 0.1
"""Of no line to a name: it would be taken for an error's bar."""
_ROUNDS = 3
_COVERS, _COVERS_BAR, _CROSSES, _BESIDE = 3.0, 1.0, 150.0, 1.0
"""What a covered pixel of a name or point costs, one of an error's bar, all that is touched, and a pixel away."""


class Place(NamedTuple):
    """Where a name stands, and the line to its point, if it is away."""

    box: Box
    line: Line | None
    away: float


class Plot:
    """A plot whose horizontal axis is logarithmic, and just as far as its points reach."""

    def __init__(
        self, across: Sequence[float], up: Sequence[float], width: float = WIDTH, height: float = HEIGHT
    ) -> None:
        logs = [math.log(value) for value in across]
        self.x, self.y = _widened(min(logs), max(logs), 0.12, 0.3), _widened(min(up), max(up), 0.08, 0.005)
        self.width, self.height = width, height

    @property
    def scales(self) -> tuple[alt.Scale, alt.Scale]:
        """Of both axes."""
        ends = [math.exp(end) for end in self.x]
        return alt.Scale(type="log", domain=ends, nice=False), alt.Scale(domain=list(self.y), zero=False, nice=False)

    def named(self, points: pl.DataFrame, x: str, y: str) -> list[alt.Chart]:
        """Lines to names that are away, if any; and last the `row` of each point beside it.

        Names keep off errors, too, where points have `low` and `high`.
        """
        rows = points.select(x, y, "row").rows()
        errors = points.select(x, "low", "high").drop_nulls().rows() if "low" in points.columns else []
        texts, lines = [], []
        for (_, _, name), place in zip(rows, self.places(rows, errors), strict=True):
            left, top, right, bottom = place.box
            across, up = self._value((left + right) / 2, (top + bottom) / 2)
            texts.append({x: across, y: up, "row": name})
            if place.line is not None:
                (x1, y1), (x2, y2) = self._value(*place.line[:2]), self._value(*place.line[2:])
                lines.append({x: x1, y: y1, "to_x": x2, "to_y": y2})
        leading = alt.Chart(alt.Data(values=lines)).mark_rule(strokeWidth=0.7, opacity=0.6)
        naming = alt.Chart(alt.Data(values=texts)).mark_text(align="center", fontSize=_SIZE, baseline="middle")
        at = {"x": f"{x}:Q", "y": f"{y}:Q"}
        return [*([leading.encode(**at, x2="to_x:Q", y2="to_y:Q")] if lines else []), naming.encode(**at, text="row:N")]

    def places(
        self, rows: Sequence[tuple[float, float, str]], errors: Sequence[tuple[float, float, float]] = ()
    ) -> list[Place]:
        """Where each point's name stands: first one after the other, then each again with all others in their places.

        Which is the first matters, so the best of some orders is taken.
        """
        spots = [(*self._pixels(across, up), name) for across, up, name in rows]
        points = [(a - _CLEAR, d - _CLEAR, a + _CLEAR, d + _CLEAR) for a, d, _ in spots]
        ends = [(self._pixels(across, high), self._pixels(across, low)) for across, low, high in errors]
        bars = [(top[0] - 1.5, top[1], bottom[0] + 1.5, bottom[1]) for top, bottom in ends]
        numbers = range(len(spots))
        along = sorted(numbers, key=lambda number: spots[number][0])
        down = sorted(numbers, key=lambda number: spots[number][1])
        orders = (along, along[::-1], down, down[::-1])
        tried = [self._placed(order, spots, points, bars) for order in orders]
        return min(tried, key=lambda found: found[0])[1]

    def _placed(
        self,
        order: Sequence[int],
        spots: Sequence[tuple[float, float, str]],
        points: Sequence[Box],
        bars: Sequence[Box],
    ) -> tuple[float, list[Place]]:
        """What all places cost, and the places."""
        found: dict[int, tuple[float, Place]] = {}
        for _ in range(_ROUNDS):
            before = dict(found)
            for number in order:
                others = [place for other, (_, place) in found.items() if other != number]
                apart = [*points[:number], *points[number + 1 :]]
                found[number] = self._best(spots[number], apart, bars, others)
            if found == before:
                break
        return sum(cost for cost, _ in found.values()), [found[number][1] for number in range(len(spots))]

    def _best(
        self, spot: tuple[float, float, str], points: Sequence[Box], bars: Sequence[Box], others: Sequence[Place]
    ) -> tuple[float, Place]:
        best, least = None, math.inf
        for place in _possible(*spot):
            if _BESIDE * place.away >= least:
                break
            cost = self._cost(place, points, bars, others, least)
            if cost < least:
                best, least = place, cost
        assert best is not None
        return least, best

    def _cost(
        self, place: Place, points: Sequence[Box], bars: Sequence[Box], others: Sequence[Place], least: float
    ) -> float:
        """`points` and `others`: all but the name's own. What is `least` at least is not looked at any further."""
        box, taken, lines = place.box, [*points, *(other.box for other in others)], [other.line for other in others]
        inside = common(box, (0.0, -2.0 * _SIZE, 1.08 * self.width, self.height))
        outside = (box[2] - box[0]) * (box[3] - box[1]) - inside
        shared = [common(box, other) for other in taken]
        covered = _COVERS * (outside + sum(shared)) + _COVERS_BAR * sum(common(box, bar) for bar in bars)
        cost = _BESIDE * place.away + covered + _CROSSES * sum(map(bool, shared))
        if cost >= least:
            return cost
        crossed = sum(crosses(line, box) for line in lines if line is not None)
        if place.line is not None:
            crossed += sum(crosses(place.line, other) for other in taken)
            crossed += sum(cross(place.line, line) for line in lines if line is not None)
        return cost + _CROSSES * crossed

    def _pixels(self, across: float, up: float) -> tuple[float, float]:
        (left, right), (low, high) = self.x, self.y
        return self.width * (math.log(across) - left) / (right - left), self.height * (high - up) / (high - low)

    def _value(self, across: float, down: float) -> tuple[float, float]:
        """What the axes say of a pixel."""
        (left, right), (low, high) = self.x, self.y
        return math.exp(left + across / self.width * (right - left)), high - down / self.height * (high - low)


def _possible(across: float, down: float, name: str) -> Iterator[Place]:
    """All places for a name, the nearest first, and to the right of its point before any other."""
    wide, high = sum(_NARROW if letter in "fijlrt.,'I1 " else _WIDE for letter in name) / 2 + 1, _SIZE / 2 + 1
    for away in _AWAY:
        for step in range(_AROUND):
            turn = 2 * math.pi * ((step + 1) // 2) / _AROUND * (-1) ** step
            to_x, to_y = math.cos(turn), math.sin(turn)
            if away and abs(to_x) < _UPRIGHT:
                continue
            x = across + to_x * (wide + _POINT + 2 + away)
            y = down + to_y * (high + _POINT + away)
            box = (x - wide, y - high, x + wide, y + high)
            if common(box, (across - _POINT, down - _POINT, across + _POINT, down + _POINT)):
                continue
            end = min(max(across, box[0]), box[2]), min(max(down, box[1]), box[3])
            yield Place(box, (across, down, *end) if away else None, away)


def _widened(low: float, high: float, share: float, least: float) -> tuple[float, float]:
    """Both ends with some room, so that values that are all but equal look it."""
    room = max(share * (high - low), least)
    return low - room, high + room
