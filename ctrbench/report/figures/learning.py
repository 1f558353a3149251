"""How validation AUC went while models were trained."""

from __future__ import annotations

import altair as alt
import polars as pl

from ctrbench.bench.plan import ModelFacts
from ctrbench.report.figures.common import SMALL, Chart, domain_title, panels, placed, series, titled
from ctrbench.report.findings import Findings

TITLE = "Learning curves"

_TICKS = 5


def draw(findings: Findings) -> Chart | None:
    """A plot per row, a line per domain and seed; the point is the epoch whose weights were kept."""
    frame, left_out = _frame(findings)
    if frame.is_empty():
        return None
    names = series(
        "domain", (domain_title(findings, domain) for domain in (*findings.plan.domains, *findings.plan.targets))
    )
    last = int(frame["epoch"].max())  # type: ignore[arg-type]  # an integer column
    ticks = list(range(1, last + 1, -(-last // _TICKS)))
    base = alt.Chart().encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(values=ticks, format="d", grid=False)),
        y=alt.Y("auc:Q", title="validation AUC", scale=alt.Scale(zero=False)),
        detail="seed:N",
        color=names["color"],
    )
    tooltip = [
        alt.Tooltip("row:N", title="model"),
        alt.Tooltip("domain:N", title="domain"),
        alt.Tooltip("seed:N", title="seed"),
        alt.Tooltip("epoch:Q", title="epoch"),
        alt.Tooltip("auc:Q", title="validation AUC", format=".4f"),
    ]
    lines = base.mark_line(strokeWidth=1.2, opacity=0.8).encode(tooltip=tooltip)
    kept = base.transform_filter("datum.kept").mark_point(filled=True, size=36, opacity=1)
    plot = alt.layer(lines, kept.encode(shape=names["shape"], tooltip=tooltip), data=placed(frame, "row"))
    chart = plot.properties(width=SMALL, height=SMALL * 0.8).facet(facet=panels("row"), columns=4)
    return titled(chart, findings, TITLE, "A point marks the epoch whose weights were kept.", left_out=left_out)


def _frame(findings: Findings) -> tuple[pl.DataFrame, list[str]]:
    """`row, seed, domain, epoch, auc, kept`, epochs counted from 1, and which runs have no curve."""
    lines, left_out = [], dict[str, None]()
    models = {model.name: model for model in findings.plan.models}
    for run in findings.plan.runs:
        record = findings.scores.record(run)
        if record is None or not record.history:
            state = "missing" if record is None else "failed" if record.status == "failed" else "no curve"
            left_out[f"{_told(findings, models[run.row], run.spec.domains)} ({state})"] = None
            continue
        lines += [
            {
                "row": models[run.row].title,
                "seed": run.spec.seed,
                "domain": domain_title(findings, domain),
                "epoch": epoch.epoch + 1,
                "auc": auc,
                "kept": epoch.epoch == record.cost.best_epoch,
            }
            for epoch in record.history
            for domain, auc in epoch.valid_auc.items()
            if auc is not None
        ]
    return pl.DataFrame(lines, infer_schema_length=None), list(left_out)


def _told(findings: Findings, model: ModelFacts, domains: tuple[str, ...]) -> str:
    """A row, and the domain of a run that has one."""
    return f"{model.title} on {domain_title(findings, domains[0])}" if len(domains) == 1 else model.title
