"""The figures that a table's runs make: from findings to a chart, which `report.svg` draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ctrbench.bench.spec import Kind
from ctrbench.report.figures import cost, latency, learning, maps, reliability, scale_up, seesaw, zero_shot
from ctrbench.report.figures.common import Chart
from ctrbench.report.findings import Findings


@dataclass(frozen=True)
class Figure:
    """A figure, and the kinds of tables that it belongs to."""

    kinds: tuple[Kind, ...]
    title: str
    draw: Callable[[Findings], Chart | None]
    """The chart; None where no run is there to be shown. What is missing or failed is named below its title."""
    needs: str = "a finished run that it could show"
    """What a table must have for there to be one."""


FIGURES = {
    "cost": Figure(("main",), cost.TITLE, cost.draw),
    "scale_up": Figure(("main",), scale_up.TITLE, scale_up.draw, scale_up.NEEDS),
    "reliability": Figure(("main",), reliability.TITLE, reliability.draw),
    "learning": Figure(("main", "new_domain"), learning.TITLE, learning.draw),
    "zero_shot": Figure(("zero_shot",), zero_shot.TITLE, zero_shot.draw),
    "seesaw": Figure(("abilities",), seesaw.TITLE, seesaw.draw),
    "map": Figure(("map",), maps.TITLE, maps.draw),
    "latency": Figure(("latency",), latency.TITLE, latency.draw),
}
"""By name. The first of a kind stands for its tables, where a table names none (`figure` in its spec)."""


def of_kind(kind: Kind) -> dict[str, Figure]:
    """The figures of a kind of table, the one that stands for it first."""
    return {name: figure for name, figure in FIGURES.items() if kind in figure.kinds}
