"""A chart as SVG that stands inside a page: it takes its colours from the page, and needs no script."""

from __future__ import annotations

from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

INK = "currentColor"
SERIES = tuple(f"var(--series-{number})" for number in (1, 2, 3))
"""The colours of a chart's series, which `templates/page.css` defines for light and dark."""

_TEXT = {"labelColor": INK, "titleColor": INK, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"}
_LINE = {"gridColor": INK, "gridOpacity": 0.15, "domainColor": INK, "domainOpacity": 0.5, "tickColor": INK}
_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "Liberation Sans, Arial, Helvetica, sans-serif",  # one width, so that nothing overlaps elsewhere
    "view": {"stroke": None},
    "padding": 4,
    "range": {"category": list(SERIES)},
    "mark": {"color": SERIES[0], "aria": False},
    "rect": {"stroke": "var(--raised)", "strokeWidth": 0.5},
    "text": {"color": INK, "fontSize": 11},
    "rule": {"color": INK},
    "axis": {**_TEXT, **_LINE, "tickOpacity": 0.5, "aria": False, "labelOverlap": True, "labelSeparation": 4},
    "legend": {**_TEXT, "title": None, "orient": "top", "offset": 4, "padding": 0, "aria": False},
}


def to_svg(chart: alt.TopLevelMixin) -> Markup:
    """Draw without a browser and without a network; what stands in the data is escaped."""
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    return Markup(vl_convert.vegalite_to_svg(chart.to_dict(), vl_version=version, config=_CONFIG))
