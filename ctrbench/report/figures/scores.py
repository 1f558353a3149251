"""Test AUC of a table's rows on the domains they were trained on, as frames for charts."""

from __future__ import annotations

from statistics import fmean

import polars as pl

from ctrbench.report.figures.common import domain_title, missing, spread, why
from ctrbench.report.findings import Findings
from ctrbench.report.scores import Score, row_cost
from ctrbench.report.significance import comparisons
from ctrbench.report.typeset import CATEGORIES


def per_domain(findings: Findings) -> tuple[pl.DataFrame, list[str]]:
    """`row, model, domain, parameters, auc, low, high` (95 %), and what is missing."""
    lines, left_out = [], list[str]()
    found = comparisons(findings).select("row", "domain", "auc_ci_low", "auc_ci_high")
    intervals = {(row, domain): {"low": low, "high": high} for row, domain, low, high in found.rows()}
    for model in findings.plan.models:
        cost, lacking = row_cost(findings.scores, model), dict[str, str]()
        for name in findings.plan.domains:
            score, domain = findings.scores.own(model, name), domain_title(findings, name)
            if score.mean is None:
                lacking[domain] = why(score)
                continue
            line = {"row": model.title, "model": model.model, "domain": domain, "parameters": cost.parameters}
            lines.append({**line, "auc": score.mean, **intervals[model.name, name]})
        left_out += missing(model.title, lacking, len(findings.plan.domains))
    return pl.DataFrame(lines, infer_schema_length=None), left_out


def mean_over_domains(findings: Findings) -> tuple[pl.DataFrame, list[str]]:
    """`row, category, parameters, train_seconds, auc, low, high`: the mean over domains, of rows that have all."""
    lines, left_out = [], []
    for model in findings.plan.models:
        found = [findings.scores.own(model, domain) for domain in findings.plan.domains]
        score, cost = _mean(found), row_cost(findings.scores, model)
        if score.mean is None or not cost.train_seconds:
            left_out.append(f"{model.title} ({next((why(s) for s in found if s.mean is None), 'partial')})")
            continue
        line = {"row": model.title, "category": CATEGORIES[model.category]}
        costs = {"parameters": cost.parameters, "train_seconds": cost.train_seconds}
        lines.append(line | spread(score) | costs)
    return pl.DataFrame(lines, infer_schema_length=None), left_out


def _mean(found: list[Score]) -> Score:
    """The mean over domains for each seed; nothing where a seed of a domain is missing."""
    if any(len(score.values) < score.wanted for score in found):
        return Score()
    return Score(tuple(fmean(values) for values in zip(*(score.values for score in found), strict=True)))
