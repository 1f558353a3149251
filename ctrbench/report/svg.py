"""A chart as a drawing, made without a browser and without a network; what stands in the data is escaped.

Inside a page a chart takes its colours from the page, and needs no script. A file of its own has white paper below it,
so that it can be read wherever it lies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

INK = "currentColor"
SERIES = tuple(f"var(--series-{number})" for number in range(1, 7))
"""The colours of a chart's series, which `templates/page.css` defines for light and dark."""
PRINTED = ("#1f6fb4", "#bf4d0a", "#1e7a4c", "#9130d8", "#3a1400", "#0d0f6c")
"""The same in a file of its own: told apart with any colour vision, and 3:1 or more against white."""

VERSION = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
"""Of Vega-Lite, as altair writes it."""
_SHARPNESS = 3.0
"""Pixels of a PNG per unit of the chart."""


def config(
    series: Sequence[str] = SERIES, ink: str = INK, paper: str = "transparent", edge: str = "var(--raised)"
) -> dict[str, Any]:
    """Vega-Lite's configuration: fonts, lines and colours of every chart."""
    text = {"labelColor": ink, "titleColor": ink, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"}
    line = {"gridColor": ink, "gridOpacity": 0.15, "domainColor": ink, "domainOpacity": 0.5, "tickColor": ink}
    return {
        "background": paper,
        "font": "Liberation Sans, Arial, Helvetica, sans-serif",  # one width, so that nothing overlaps elsewhere
        "view": {"stroke": None},
        "padding": 4,
        "range": {"category": list(series)},
        "mark": {"color": series[0], "aria": False},
        "rect": {"stroke": edge, "strokeWidth": 0.5},
        "text": {"color": ink, "fontSize": 11},
        "rule": {"color": ink},
        "axis": {**text, **line, "tickOpacity": 0.5, "aria": False, "labelOverlap": True, "labelSeparation": 4},
        "legend": {**text, "title": None, "orient": "top", "offset": 4, "padding": 0, "aria": False},
        "header": text,
        "title": {"color": ink, "subtitleColor": ink, "fontSize": 13, "subtitleFontSize": 11, "anchor": "start"},
    }


def spec(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """The chart as Vega-Lite, its data inside; without `config`."""
    with alt.data_transformers.enable("default", max_rows=None):
        return chart.to_dict()


def to_svg(chart: alt.TopLevelMixin) -> Markup:
    """To stand inside a page."""
    return spec_to_svg(spec(chart))


def spec_to_svg(chart: dict[str, Any]) -> Markup:
    """The same, of a chart that is Vega-Lite already."""
    return Markup(vl_convert.vegalite_to_svg(chart, **_options(config())))


def draw(chart: alt.TopLevelMixin, suffix: str) -> bytes:
    """A file of its own, in one of the forms of `DRAWN`."""
    return DRAWN[suffix](spec(chart), _options(config(PRINTED, ink="#1b1f24", paper="#ffffff", edge="#ffffff")))


DRAWN: dict[str, Callable[[dict[str, Any], dict[str, Any]], bytes]] = {
    ".svg": lambda chart, options: vl_convert.vegalite_to_svg(chart, **options).encode(),
    ".png": lambda chart, options: vl_convert.vegalite_to_png(chart, scale=_SHARPNESS, **options),
    ".pdf": lambda chart, options: vl_convert.vegalite_to_pdf(chart, **options),
}
"""How a chart becomes a file."""


def _options(settings: dict[str, Any]) -> dict[str, Any]:
    return {"vl_version": VERSION, "config": settings, "allowed_base_urls": []}
