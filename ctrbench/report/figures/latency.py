"""How long a batch takes to be scored."""

from __future__ import annotations

import altair as alt
import polars as pl

from ctrbench.bench.needs import read_latency
from ctrbench.bench.plan import ModelFacts
from ctrbench.errors import OutputError
from ctrbench.report.figures.common import WIDTH, Chart, series, titled
from ctrbench.report.findings import Findings

TITLE = "Latency of scoring"

_BAR = 10


def draw(findings: Findings) -> Chart | None:
    """A bar per row, precision and length of prompt: the median milliseconds of a batch, and a line to the 95th."""
    parts = {model.title: _timings(findings, model) for model in findings.plan.models}
    left_out = [f"{row} (not measured)" for row, part in parts.items() if part.is_empty()]
    frame = pl.concat(parts.values())
    if frame.is_empty():
        return None
    kinds = list(dict.fromkeys(frame["kind"]))
    base = alt.Chart(frame).encode(
        y=alt.Y("row:N", title=None, scale=alt.Scale(domain=list(dict.fromkeys(frame["row"])))),
        yOffset=alt.YOffset("kind:N", scale=alt.Scale(domain=kinds)),
    )
    bars = base.mark_bar().encode(
        x=alt.X("p50:Q", title="milliseconds per batch: median, and line to the 95th percentile"),
        color=series("kind", kinds)["color"],
        tooltip=[
            alt.Tooltip("row:N", title="model"),
            alt.Tooltip("kind:N", title="measured"),
            alt.Tooltip("p50:Q", title="median ms", format=",.2f"),
            alt.Tooltip("p95:Q", title="95th percentile, ms", format=",.2f"),
            alt.Tooltip("batch:Q", title="rows per batch"),
            alt.Tooltip("device:N", title="on"),
        ],
    )
    late = base.mark_rule(strokeWidth=1.5, opacity=0.7).encode(x=alt.X("p50:Q"), x2="p95:Q")
    chart = alt.layer(bars, late).properties(width=WIDTH, height=alt.Step(_BAR))
    said = "; ".join(sorted({f"batches of {batch} on {device}" for batch, device in frame["batch", "device"].rows()}))
    return titled(chart, findings, TITLE, f"Measured: {said}.", left_out=left_out)


_COLUMNS = {
    "row": pl.String,
    "kind": pl.String,
    "device": pl.String,
    "batch": pl.Int64,
    "p50": pl.Float64,
    "p95": pl.Float64,
}


def _timings(findings: Findings, model: ModelFacts) -> pl.DataFrame:
    """`_COLUMNS`, over a row's runs: the mean of medians, and the latest 95th percentile."""
    lines = []
    for run in (run for seed in findings.plan.seeds for run in findings.plan.runs_of(model.name, seed)):
        folder = findings.folder(run)
        if not folder.latency.exists():
            continue
        try:
            found = read_latency(folder)
        except OutputError:
            continue  # left out, and the table says why
        for timing in found.timings:
            length = "prompts as they are" if timing.length is None else f"{timing.length} tokens"
            about = (model.title, f"{timing.precision}, {length}", f"{found.device}, {found.processor}")
            lines.append((*about, found.batch_size, timing.p50_ms, timing.p95_ms))
    frame = pl.DataFrame(lines, schema=_COLUMNS, orient="row")
    return frame.group_by("row", "kind", "device", "batch", maintain_order=True).agg(pl.mean("p50"), pl.max("p95"))
