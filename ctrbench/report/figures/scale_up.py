"""Figure 4: test AUC against parameters, for one architecture in several sizes."""

from __future__ import annotations

from collections import Counter

import altair as alt
import polars as pl

from ctrbench.report.figures.common import HEIGHT, WIDTH, Chart, domain_title, errors, reach, series, titled
from ctrbench.report.figures.names import Plot
from ctrbench.report.figures.scores import per_domain
from ctrbench.report.findings import Findings

TITLE = "AUC against parameters"
NEEDS = "a finished run, and two rows of one model to draw a line through"

_INTERVALS = "Lines: 95 % intervals, over test rows, and over seeds where there are several."


def draw(findings: Findings) -> Chart | None:
    """A point per row and domain by parameters, the row's name above; a line joins the rows of one model.

    None, too, where no model has several rows: other models' sizes are no scale.
    """
    rows = Counter(model.model for model in findings.plan.models)
    frame, left_out = per_domain(findings)
    if frame.is_empty() or max(rows.values()) < 2:
        return None
    unknown = [f"{row} (parameters unknown)" for row in frame.filter(pl.col("parameters").is_null())["row"].unique()]
    frame = frame.drop_nulls("parameters").sort("parameters", maintain_order=True)
    if frame.is_empty():
        return None
    plot = Plot(frame["parameters"].to_list(), reach(frame))
    across, up = plot.scales
    kinds = series("domain", (domain_title(findings, domain) for domain in findings.plan.domains))
    base = alt.Chart(frame).encode(
        x=alt.X("parameters:Q", title="parameters", scale=across, axis=alt.Axis(format="~s", grid=False)),
        y=alt.Y("auc:Q", title="test AUC", scale=up),
        color=kinds["color"],
    )
    points = base.mark_point(filled=True, size=50, opacity=1).encode(
        shape=kinds["shape"],
        tooltip=[
            alt.Tooltip("row:N", title="model"),
            alt.Tooltip("domain:N", title="domain"),
            alt.Tooltip("parameters:Q", title="parameters", format=","),
            alt.Tooltip("auc:Q", title="test AUC", format=".4f"),
        ],
    )
    highest = frame.group_by("row", "parameters", maintain_order=True).agg(pl.max("auc"))
    scaled = alt.Data(values=frame.filter(pl.col("model").replace_strict(rows, return_dtype=pl.Int64) > 1).to_dicts())
    lines = base.properties(data=scaled).mark_line(strokeWidth=1.5).encode(detail="model:N")
    chart = alt.layer(lines, errors(base), points, *plot.named(highest, "parameters", "auc")).properties(
        width=WIDTH, height=HEIGHT
    )
    return titled(chart, findings, TITLE, _INTERVALS, left_out=[*left_out, *unknown])
