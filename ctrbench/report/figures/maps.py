"""Figures 5 and 6: where a model puts rows of each domain."""

from __future__ import annotations

import altair as alt
import polars as pl

from ctrbench.report.figures.common import SMALL, Chart, domain_title, panels, placed, series, titled
from ctrbench.report.findings import Findings
from ctrbench.report.maps import tsne

TITLE = "Representations of test rows (t-SNE)"


def draw(findings: Findings) -> Chart | None:
    """A map per row of the table, space and state of training, a point per test row, coloured by its domain."""
    points = tsne(findings)
    if points.is_empty():
        return None
    shown = set(points["row"])
    left_out = [model.title for model in findings.plan.models if model.title not in shown]
    titles = {domain: domain_title(findings, domain) for domain in findings.plan.domains}
    frame = points.with_columns(
        pl.col("domain").replace(titles), pl.concat_str("row", pl.lit(" "), "name", pl.lit(", "), "state").alias("map")
    )
    bare = alt.Axis(labels=False, ticks=False, grid=False, title=None, domain=False)
    plot = (
        alt.Chart(placed(frame, "map"))
        .mark_point(filled=True, size=7, opacity=0.6)
        .encode(
            x=alt.X("x:Q", axis=bare, scale=alt.Scale(zero=False)),
            y=alt.Y("y:Q", axis=bare, scale=alt.Scale(zero=False)),
            tooltip=[alt.Tooltip("domain:N", title="domain")],
            **series("domain", titles.values()),
        )
        .properties(width=SMALL * 1.2, height=SMALL * 1.2)
    )
    chart = plot.facet(facet=panels("map"), columns=4)
    chart = chart.resolve_scale(x="independent", y="independent")
    said = "A map's axes have no meaning: only who lies near whom has."
    return titled(chart, findings, TITLE, said, left_out=left_out)
