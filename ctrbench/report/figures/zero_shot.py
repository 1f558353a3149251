"""Figure 3: what models reach on a domain that nobody was trained on."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from ctrbench.bench.plan import ModelFacts
from ctrbench.report.figures.common import WIDTH, Chart, panels, placed, seeds, spread, titled
from ctrbench.report.figures.scores import gathered
from ctrbench.report.findings import Findings
from ctrbench.report.outcomes import outcome
from ctrbench.report.scores import Score

TITLE = "Zero-shot AUC on unseen domains"
PICKS = ("best", "chosen", "general")

_CHANCE = 0.5
_BAR = 9


def draw(findings: Findings) -> Chart | None:
    """Bars from chance: the best candidate on test rows, the one chosen on validation, or the general network."""
    frame, left_out = _frame(findings)
    if frame.is_empty():
        return None
    rows = list(dict.fromkeys(frame["row"]))
    base = alt.Chart().encode(
        y=alt.Y("row:N", title=None, scale=alt.Scale(domain=rows), axis=alt.Axis(labelLimit=160)),
        yOffset=alt.YOffset("slot:O", sort=None),
    )
    across = alt.X("auc:Q", title="test AUC; bars begin at chance", scale=alt.Scale(zero=False, nice=True))
    bars = base.mark_bar().encode(
        x=across,
        x2=alt.datum(_CHANCE),
        color=alt.Color("pick:N", scale=alt.Scale(domain=list(PICKS))),
        tooltip=[
            alt.Tooltip("row:N", title="model"),
            alt.Tooltip("domain:N", title="unseen domain"),
            alt.Tooltip("pick:N", title="candidate"),
            alt.Tooltip("head:N", title="head"),
            alt.Tooltip("auc:Q", title="test AUC", format=".4f"),
            alt.Tooltip("std:Q", title="± over seeds", format=".4f"),
        ],
    )
    sure = base.mark_rule(strokeWidth=1.5, opacity=0.7).encode(x=alt.X("low:Q"), x2="high:Q")
    chance = alt.Chart().mark_rule(strokeDash=[4, 3]).encode(x=alt.datum(_CHANCE))
    plot = alt.layer(bars, sure, chance, data=placed(frame, "domain")).properties(
        width=WIDTH * 0.6, height=alt.Step(_BAR)
    )
    said = "best: on test rows, as the paper reports; chosen: on the domain's validation rows; general: one network."
    chart = plot.facet(facet=panels("domain"), columns=2)
    return titled(chart, findings, TITLE, said, seeds(findings), left_out=left_out)


def _frame(findings: Findings) -> tuple[pl.DataFrame, list[str]]:
    """`row, domain, pick, slot, head, std, auc, low, high`, and what is missing."""

    def tell(model: ModelFacts, target: str) -> tuple[list[dict[str, Any]], Score]:
        found = outcome(findings.scores, model, target)
        picks = {"best": (found.best, found.best_heads), "chosen": (found.chosen, found.chosen_heads)}
        if model.has_general_head:
            picks = {"general": (found.best, found.best_heads)}
        lines = [
            {"pick": pick, "slot": slot, "head": head, "std": score.std} | spread(score)
            for slot, (pick, (score, head)) in enumerate(picks.items())
            if score.mean is not None
        ]
        return lines, found.best

    return gathered(findings, findings.plan.models, findings.plan.targets, tell)
