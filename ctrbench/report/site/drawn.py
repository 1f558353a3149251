"""Figures that answer: a drawing that needs no script, and beside it what a script makes it interactive with."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl
import vl_convert

from ctrbench.bench.records import Record
from ctrbench.errors import in_words
from ctrbench.report import svg
from ctrbench.report.figures import of_kind
from ctrbench.report.findings import Findings
from ctrbench.report.page import Figure, Table
from ctrbench.report.site import curve, runs

_log = logging.getLogger(__name__)
_MOST_NUMBERS = 500
"""Lines of numbers below a figure: a map of thousands of points is not read as a list."""


@dataclass(frozen=True)
class Drawn(Figure):
    """A figure, and its chart as Vega-Lite."""

    spec: dict[str, Any]

    @classmethod
    def of(cls, title: str, text: str, chart: dict[str, Any], numbers: Table) -> Drawn:
        """Draw a chart, which is Vega-Lite already."""
        return cls(title, text, svg.spec_to_svg(chart), numbers, {**chart, "config": _interactive()})

    @property
    def anchor(self) -> str:
        """The figure's name in links."""
        return "figure-" + "-".join(self.title.lower().split())


def figures_of(findings: Findings) -> tuple[list[Drawn], list[str]]:
    """A table's figures, and a sentence for each that cannot be drawn: it hides none of the others."""
    made, faults = [], []
    for figure in of_kind(findings.table.kind).values():
        try:
            chart = figure.draw(findings)
            if chart is not None:
                made.append(_untitled(figure.title, svg.spec(chart)))
        except Exception as error:
            _log.warning("%s, figure %r cannot be drawn: %s", findings.table.name, figure.title, in_words(error))
            _log.debug("figure %r", figure.title, exc_info=True)
            faults.append(f"{figure.title} cannot be drawn: {in_words(error)}")
    return made, faults


def learning_curve(record: Record) -> Drawn | None:
    """Loss and validation AUC per epoch, counted from 1; None where a run has no epoch."""
    if not record.history:
        return None
    best, domains = runs.from_one(record.cost.best_epoch), record.spec.domains
    rows = [(each.epoch + 1, each.loss, *(each.valid_auc.get(name) for name in domains)) for each in record.history]
    kept = "" if best is None else f"; the weights of epoch {best} were kept"
    text = f"Training loss and validation AUC of each domain over {len(rows)} epochs{kept}."
    columns = ["epoch", "training loss", *(f"validation AUC {name}" for name in domains)]
    chart = svg.spec(curve.chart(_long(record), best))
    return Drawn.of("Learning curve", text, chart, Table("", columns, rows))


def _untitled(title: str, chart: dict[str, Any]) -> Drawn:
    """A chart whose title and lines below it stand on the page instead."""
    above = chart.pop("title", {})
    said = above.get("subtitle", []) if isinstance(above, dict) else []
    text = " ".join([said] if isinstance(said, str) else said)
    return Drawn.of(title, text or title, chart, _numbers(chart.get("datasets", {}).values()))


def _numbers(datasets: Iterable[list[dict[str, Any]]]) -> Table:
    """The largest of a chart's datasets; none of one that is too long to be read."""
    largest = max(datasets, key=len, default=[])
    if not largest or len(largest) > _MOST_NUMBERS:
        return Table("", [], [])
    columns = list(largest[0])
    return Table("", columns, [[_cell(line.get(name)) for name in columns] for line in largest])


def _cell(value: Any) -> str | int | float | None:
    return value if isinstance(value, str | float) or type(value) is int or value is None else str(value)


def _long(record: Record) -> pl.DataFrame:
    """epoch, measure (`loss`, `AUC`), domain, value."""
    losses = [(each.epoch + 1, "loss", "all", each.loss) for each in record.history]
    aucs = [(each.epoch + 1, "AUC", name, value) for each in record.history for name, value in each.valid_auc.items()]
    types = {"epoch": pl.Int64, "measure": pl.String, "domain": pl.String, "value": pl.Float64}
    return pl.DataFrame([*losses, *aucs], types, orient="row")


def _interactive() -> dict[str, Any]:
    """The page's colours, and every mark tells its numbers to who points at it."""
    usual = svg.config()
    return {**usual, "mark": {**usual["mark"], "tooltip": True}}


@cache
def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script without imports, `window.vegaEmbed`."""
    # A function around it keeps its thousands of short names to itself.
    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=svg.VERSION)
    return f"(() => {{{script}}})();\n"
