"""How long a batch takes to be scored."""

from __future__ import annotations

import altair as alt
import polars as pl

from ctrbench.bench.needs import PRECISIONS
from ctrbench.report.figures.common import WIDTH, Chart, series, titled
from ctrbench.report.findings import Findings
from ctrbench.report.timings import KINDS, Measured, measured_of

TITLE = "Latency of scoring"

_STEP = 12


def draw(findings: Findings) -> Chart | None:
    """A point per row, precision and length of prompt: the median milliseconds of a batch, and a line to the 95th.

    The axis is logarithmic: a language model takes hundreds of times as long as the others.
    """
    measured = [measured_of(findings, model) for model in findings.plan.models]
    left_out = [f"{row.model.title} (not measured)" for row in measured if not row.found]
    frame = pl.concat([_timings(row) for row in measured])
    if frame.is_empty():
        return None
    kinds = list(dict.fromkeys(frame["kind"]))
    base = alt.Chart(frame).encode(
        y=alt.Y("row:N", title=None, scale=alt.Scale(domain=list(dict.fromkeys(frame["row"])))),
        yOffset=alt.YOffset("kind:N", scale=alt.Scale(domain=kinds)),
    )
    channels = series("kind", kinds)
    points = base.mark_point(filled=True, size=50, opacity=1).encode(
        x=alt.X(
            "p50:Q",
            title="milliseconds per batch, logarithmic: median, and line to the 95th percentile",
            scale=alt.Scale(type="log"),
            axis=alt.Axis(format=",~r", grid=False),
        ),
        **channels,
        tooltip=[
            alt.Tooltip("row:N", title="model"),
            alt.Tooltip("kind:N", title="measured"),
            alt.Tooltip("p50:Q", title="median ms", format=",.2f"),
            alt.Tooltip("p95:Q", title="95th percentile, ms", format=",.2f"),
        ],
    )
    late = base.mark_rule(strokeWidth=1.5).encode(x=alt.X("p50:Q"), x2="p95:Q", color=channels["color"])
    chart = alt.layer(late, points).properties(width=WIDTH, height=alt.Step(_STEP))
    every = [latency for row in measured for latency in row.found]
    said = "; ".join(sorted({f"batches of {one.batch_size} on {one.device}, {one.processor}" for one in every}))
    return titled(chart, findings, TITLE, f"Measured: {said}.", left_out=left_out)


_COLUMNS = {"row": pl.String, "kind": pl.String, "p50": pl.Float64, "p95": pl.Float64}


def _timings(row: Measured) -> pl.DataFrame:
    """`_COLUMNS`: the table's numbers, which are means over the row's runs."""
    lines = []
    for precision in PRECISIONS:
        for kind in KINDS:
            numbers = row.numbers(precision, kind)
            if numbers["p50_ms"] is not None:
                length = next(timing.length for timing in row.timings(precision, kind))
                what = "rows as they are" if length is None else f"{length} tokens"
                lines.append((row.model.title, f"{precision}, {what}", numbers["p50_ms"], numbers["p95_ms"]))
    return pl.DataFrame(lines, schema=_COLUMNS, orient="row")
