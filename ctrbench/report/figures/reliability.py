"""Whether predicted probabilities are the rates that they claim to be."""

from __future__ import annotations

import altair as alt
import polars as pl

from ctrbench.bench.plan import ModelFacts
from ctrbench.bench.records import Target
from ctrbench.data.profile import interval
from ctrbench.errors import DataError
from ctrbench.evaluation.calibration import calibration_error, reliability
from ctrbench.report.figures.common import SMALL, Chart, panels, placed, titled
from ctrbench.report.findings import Findings
from ctrbench.report.predictions import scored

TITLE = "Reliability of predicted probabilities"


def draw(findings: Findings) -> Chart | None:
    """A plot per row: the rate of positive test rows, with its 95 % interval, against the mean probability."""
    frames, left_out = [], list[str]()
    for model in findings.plan.models:
        try:
            points = _points(findings, model)
        except DataError:
            left_out.append(f"{model.title} (unreadable predictions)")
            continue
        if points is None:
            left_out.append(f"{model.title} (no predictions)")
        else:
            frames.append(points)
    if not frames:
        return None
    whole = alt.Scale(domain=[0, 1])
    base = alt.Chart().encode(
        x=alt.X("predicted:Q", title="mean probability", scale=whole, axis=alt.Axis(tickCount=4, grid=False)),
        y=alt.Y("observed:Q", title="rate of positive rows", scale=whole, axis=alt.Axis(tickCount=4)),
    )
    perfect = (
        alt.Chart()
        .mark_rule(strokeDash=[4, 3], opacity=0.6)
        .encode(x=alt.datum(0), y=alt.datum(0), x2=alt.datum(1), y2=alt.datum(1))
    )
    sure = base.mark_rule(strokeWidth=1.5, opacity=0.5).encode(alt.Y("low:Q"), alt.Y2("high:Q"))
    points = base.mark_line(point=alt.OverlayMarkDef(size=24), strokeWidth=1.2).encode(
        tooltip=[
            alt.Tooltip("name:N", title="model"),
            alt.Tooltip("predicted:Q", title="mean probability", format=".3f"),
            alt.Tooltip("observed:Q", title="rate of positive rows", format=".3f"),
            alt.Tooltip("rows:Q", title="rows", format=","),
        ]
    )
    plot = alt.layer(perfect, sure, points, data=placed(pl.concat(frames), "name")).properties(
        width=SMALL, height=SMALL
    )
    chart = plot.facet(facet=panels("name"), columns=4)
    said = (
        "Test rows of all domains and seeds, in bins of equally many rows. Intervals (95 %) count a row once, however "
        "many seeds scored it. ECE: expected calibration error."
    )
    return titled(chart, findings, TITLE, said, left_out=left_out)


def _points(findings: Findings, model: ModelFacts) -> pl.DataFrame | None:
    """`name, predicted, observed, low, high, rows` over a row's domains and seeds; None where nothing is scored.

    Raises `DataError` where predictions cannot be read.
    """
    plan, parts, seeds = findings.plan, [], set[int]()
    for seed in plan.seeds:
        for domain in plan.domains:
            part = scored(findings, findings.scores.run(model, seed, domain), Target("test", domain, "own"))
            if part is not None:
                parts.append(part)
                seeds.add(seed)
    if not parts:
        return None
    rows = pl.concat(parts)
    label, logit = rows["label"].to_numpy(), rows["logit"].to_numpy()
    name = f"{model.title} · ECE {calibration_error(label, logit):.3f}"
    points = reliability(label, logit).select("predicted", "observed", "rows")
    sure = interval(pl.col("observed"), pl.col("rows") / len(seeds))  # seeds score the same rows
    return points.select(pl.lit(name).alias("name"), pl.all(), *sure)
