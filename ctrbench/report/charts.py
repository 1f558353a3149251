"""What charts look like: functions from a frame to a chart, without colours (`report.svg` gives them)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import altair as alt
import polars as pl

WIDTH = 252
"""Of the plot; with its axis a chart is about as wide as a phone."""

_HEIGHT = 110
_GAP = 44  # room for the labels of a vertical axis


def label_rate(
    periods: pl.DataFrame, cuts: pl.DataFrame, reach: tuple[datetime, datetime], seconds: float
) -> alt.VConcatChart:
    """Label rate with its interval, above the number of rows.

    `periods`: `start, rows, label_rate, low, high`, each of some `seconds`; `cuts`: `split, start`, drawn as
    lines; `reach`: both ends of the axis.
    """
    across = alt.X("start:T", title=None, scale=alt.Scale(type="utc", domain=[_when(moment) for moment in reach]))
    wide = min(20.0, 0.8 * WIDTH * seconds / (reach[1] - reach[0]).total_seconds())
    base = alt.Chart(periods).encode(x=across.axis(tickCount=4))
    rate = alt.Y("label_rate:Q", title="label rate", axis=_up(tickCount=4, format="~%"), scale=alt.Scale(domain=[0, 1]))
    sure = base.mark_bar(size=wide, opacity=0.2).encode(y=alt.Y("low:Q", title="label rate"), y2="high:Q")
    line = base.mark_line(strokeWidth=1.5).encode(y=rate)
    points = base.transform_filter("datum.rows > 0").mark_point(size=10, filled=True, opacity=1).encode(y=rate)
    bars = base.mark_bar(size=wide).encode(y=alt.Y("rows:Q", title="rows", axis=_up(tickCount=2, format="~s")))
    upper = alt.layer(sure, line, points, *_cut_marks(cuts, across)).properties(width=WIDTH, height=_HEIGHT)
    return alt.vconcat(upper, bars.properties(width=WIDTH, height=40), spacing=8)


def _cut_marks(cuts: pl.DataFrame, across: alt.X) -> list[alt.Chart]:
    """A line where each split begins, its name above it; the names stand on two levels, so that both can be read."""
    if cuts.is_empty():
        return []
    base = alt.Chart(cuts).encode(x=across)
    names = [
        base.transform_filter(alt.datum.split == split)
        .mark_text(align="left", baseline="bottom", fontSize=10)
        .encode(text="split:N", y=alt.value(level))
        for split, level in (("valid", -12), ("test", -1))
    ]
    return [base.mark_rule(strokeDash=[4, 3], opacity=0.7), *names]


def histogram(bins: pl.DataFrame, title: str, share_of: str, *, log: bool = False, whole: bool = False) -> alt.Chart:
    """Bars from `low` to `high`, in their order, as high as their `share`; `whole`: no ticks between whole numbers."""
    low, high = float(bins["low"][0]), float(bins["high"][-1])
    form = "~r" if max(abs(low), abs(high)) < 10_000 else "~s"
    least = 1 if whole else alt.Undefined
    axis = alt.Axis(grid=False, tickCount=5, tickMinStep=least, format=form)
    scale = alt.Scale(type="log" if log else "linear", domain=[low, high], nice=False, zero=False)
    return (
        alt.Chart(bins)
        .mark_rect()
        .encode(
            x=alt.X("low:Q", title=title, axis=axis, scale=scale),
            x2="high:Q",
            y=alt.Y("share:Q", title=f"share of {share_of}", axis=_up(tickCount=4, format="~%"), stack=None),
            y2=alt.datum(0),
        )
        .properties(width=WIDTH, height=_HEIGHT)
    )


def frequency(counts: pl.DataFrame) -> alt.LayerChart | alt.FacetChart:
    """How many (`count`) items and users (`of`) have so many rows (from `first` on), both axes logarithmic."""
    across, up = (_powers(base, int(max(counts[column]))) for base, column in ((2, "first"), (10, "count")))
    base = alt.Chart(counts).encode(
        x=alt.X(
            "first:Q",
            title="rows (each point: up to twice as many)",
            axis=alt.Axis(format="~s", values=across, grid=False),
            scale=alt.Scale(type="log", domain=[across[0], across[-1]], nice=False),
        ),
        y=alt.Y(
            "count:Q",
            title="items, users",
            axis=_up(format="~s", values=up),
            scale=alt.Scale(type="log", domain=[up[0], up[-1]], nice=False),
        ),
        color=alt.Color("of:N", sort=["items", "users"]),
        strokeDash=alt.StrokeDash("of:N", sort=["items", "users"], legend=None),
    )
    shape = alt.Shape("of:N", sort=["items", "users"], legend=None, scale=alt.Scale(range=["circle", "cross"]))
    points = base.mark_point(filled=True, size=30, opacity=1).encode(shape=shape)
    return alt.layer(base.mark_line(strokeWidth=1.5), points).properties(width=WIDTH, height=_HEIGHT)


def unseen(shares: pl.DataFrame) -> alt.Chart:
    """Bars: the `share` of each split's rows (`split`) whose user, item, or either (`what`) is unseen."""
    order = ["user", "item", "either"]
    splits = ["valid", "test"]
    return (
        alt.Chart(shares)
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="share of rows", axis=alt.Axis(format="~%"), scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("what:N", title=None, sort=order, axis=_up(), scale=alt.Scale(domain=order)),
            yOffset=alt.YOffset("split:N", sort=splits, scale=alt.Scale(domain=splits)),
            color=alt.Color("split:N", sort=splits, scale=alt.Scale(domain=splits)),
        )
        .properties(width=WIDTH, height=_HEIGHT)
    )


def _powers(base: int, reach: int) -> list[float]:
    """The powers of `base` from 1 to the first that is no less than `reach`; two of them at least."""
    powers = [1.0, float(base)]
    while powers[-1] < reach:
        powers.append(powers[-1] * base)
    return powers


def _up(**options: Any) -> alt.Axis:
    """A vertical axis that takes the same room everywhere, so that charts line up."""
    return alt.Axis(minExtent=_GAP, maxExtent=_GAP, **options)


def _when(moment: datetime) -> alt.DateTime:
    return alt.DateTime(
        year=moment.year, month=moment.month, date=moment.day, hours=moment.hour, minutes=moment.minute, utc=True
    )
