"""What a row's AUC costs in training."""

from __future__ import annotations

import altair as alt

from ctrbench.report.figures.common import Chart, errors, reach, seeds, series, titled
from ctrbench.report.figures.names import Plot
from ctrbench.report.figures.scores import mean_over_domains
from ctrbench.report.findings import Findings

TITLE = "Cost against AUC"
_WIDTH, _HEIGHT = 520, 340
"""Larger than other plots: many rows cost about the same."""


def draw(findings: Findings) -> Chart | None:
    """A point per row: mean test AUC over its domains, against seconds of training, on a logarithmic axis."""
    frame, left_out = mean_over_domains(findings)
    if frame.is_empty():
        return None
    plot = Plot(frame["train_seconds"].to_list(), reach(frame), _WIDTH, _HEIGHT)
    across, up = plot.scales
    base = alt.Chart(frame).encode(
        x=alt.X(
            "train_seconds:Q",
            title="seconds of training, all domains",
            scale=across,
            axis=alt.Axis(format=",~r", grid=False),
        ),
        y=alt.Y("auc:Q", title="mean test AUC", scale=up),
    )
    kinds = series("category", frame["category"])
    points = base.mark_point(filled=True, size=70, opacity=1).encode(
        **kinds,
        tooltip=[
            alt.Tooltip("row:N", title="model"),
            alt.Tooltip("category:N", title="kind"),
            alt.Tooltip("auc:Q", title="mean test AUC", format=".4f"),
            alt.Tooltip("train_seconds:Q", title="seconds of training", format=",.1f"),
            alt.Tooltip("parameters:Q", title="parameters", format=","),
        ],
    )
    sure = errors(base, 1, 0.4).encode(color=kinds["color"])
    names = plot.named(frame, "train_seconds", "auc")
    chart = alt.layer(sure, *names[:-1], points, names[-1]).properties(width=_WIDTH, height=_HEIGHT)
    return titled(chart, findings, TITLE, seeds(findings), left_out=left_out)
