"""What each domain gains, or loses, when a model is trained on all domains and not on it alone."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from ctrbench.bench.plan import ModelFacts
from ctrbench.report.figures.common import WIDTH, Chart, domain_title, seeds, series, spread, titled
from ctrbench.report.figures.scores import gathered
from ctrbench.report.findings import Findings
from ctrbench.report.scores import Score
from ctrbench.report.seesaw import gains

TITLE = "Gain of joint over single-domain training"

_BAR = 9


def draw(findings: Findings) -> Chart | None:
    """Bars from zero, one per joint model and domain."""
    frame, left_out = _frame(findings)
    if frame.is_empty():
        return None
    domains = [domain_title(findings, domain) for domain in findings.plan.domains]
    base = alt.Chart(frame).encode(
        y=alt.Y("row:N", title=None, scale=alt.Scale(domain=list(dict.fromkeys(frame["row"])))),
        yOffset=alt.YOffset("domain:N", scale=alt.Scale(domain=domains)),
    )
    bars = base.mark_bar().encode(
        x=alt.X("auc:Q", title="gain in test AUC", axis=alt.Axis(format="+~g")),
        color=series("domain", domains)["color"],
        tooltip=[
            alt.Tooltip("row:N", title="model"),
            alt.Tooltip("domain:N", title="domain"),
            alt.Tooltip("auc:Q", title="gain in test AUC", format="+.4f"),
            alt.Tooltip("joint:Q", title="trained on all", format=".4f"),
            alt.Tooltip("alone:Q", title="trained alone", format=".4f"),
        ],
    )
    sure = base.mark_rule(strokeWidth=1.5, opacity=0.7).encode(x=alt.X("low:Q"), x2="high:Q")
    none = alt.Chart().mark_rule().encode(x=alt.datum(0))
    chart = alt.layer(bars, sure, none).properties(width=WIDTH, height=alt.Step(_BAR))
    return titled(chart, findings, TITLE, seeds(findings), left_out=left_out)


def _frame(findings: Findings) -> tuple[pl.DataFrame, list[str]]:
    """`row, domain, auc` (the gain)`, low, high, joint, alone` of joint models, and what is missing."""
    found = {model.name: gains(findings, model) for model in findings.plan.models if not model.per_domain}

    def tell(model: ModelFacts, domain: str) -> tuple[list[dict[str, Any]], Score]:
        gain = found[model.name][domain]
        both = {"joint": gain.joint.mean, "alone": gain.alone.mean}
        return [] if gain.gain.mean is None else [spread(gain.gain) | both], gain.gain

    joint = [model for model in findings.plan.models if model.name in found]
    return gathered(findings, joint, findings.plan.domains, tell)
