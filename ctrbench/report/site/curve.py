"""A learning curve, without colours."""

from __future__ import annotations

import altair as alt
import polars as pl

_WIDTH = 280
_TICKS = 6


def chart(epochs: pl.DataFrame, best: int | None) -> alt.VConcatChart:
    """Validation AUC per domain above the training loss. `epochs`: `epoch, measure, domain, value`; `best`: marked."""
    last = int(epochs["epoch"].max() or 0)  # type: ignore[arg-type]  # an integer column
    auc, loss = (epochs.filter(pl.col("measure") == measure) for measure in ("AUC", "loss"))
    across = alt.X(
        "epoch:Q",
        title="epoch",
        scale=alt.Scale(domain=[1, max(last, 2)], nice=False),
        axis=alt.Axis(format="d", values=list(range(1, last + 1, -(-last // _TICKS))), grid=False),
    )
    legend = alt.Legend(columns=2, labelLimit=130)
    parts = [
        _lines(auc, across, "validation AUC").encode(color=alt.Color("domain:N", sort=None, legend=legend)),
        _lines(loss, across, "training loss"),
    ]
    return alt.vconcat(*(_marked(part, best, across, height) for part, height in zip(parts, (150, 80), strict=True)))


def _lines(frame: pl.DataFrame, across: alt.X, title: str) -> alt.Chart:
    up = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(minExtent=44, maxExtent=44))
    shown = [alt.Tooltip("epoch:Q"), alt.Tooltip("domain:N"), alt.Tooltip("value:Q", title=title, format=".4f")]
    point = alt.OverlayMarkDef(size=16, filled=True, opacity=1)
    return alt.Chart(frame).mark_line(strokeWidth=1.5, point=point).encode(x=across, y=up, tooltip=shown)


def _marked(lines: alt.Chart, best: int | None, across: alt.X, height: int) -> alt.LayerChart | alt.FacetChart:
    marks = [] if best is None else [_rule(best, across)]
    return alt.layer(*marks, lines).properties(width=_WIDTH, height=height)


def _rule(best: int, across: alt.X) -> alt.Chart:
    at = pl.DataFrame({"epoch": [best], "": ["kept"]})
    return alt.Chart(at).mark_rule(strokeDash=[4, 3], opacity=0.6).encode(x=across)
