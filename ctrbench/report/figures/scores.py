"""Test AUC of a table's rows on the domains they were trained on, as frames for charts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import Any

import polars as pl

from ctrbench.bench.plan import ModelFacts
from ctrbench.report.figures.common import domain_title, missing, spread, why
from ctrbench.report.findings import Findings
from ctrbench.report.scores import Score, row_cost
from ctrbench.report.significance import comparisons
from ctrbench.report.typeset import CATEGORIES

Tell = Callable[[ModelFacts, str], tuple[list[dict[str, Any]], Score]]
"""What there is to draw of a row on a domain: lines, and the score that says why there may be none."""


def gathered(
    findings: Findings, rows: Iterable[ModelFacts], domains: Sequence[str], tell: Tell
) -> tuple[pl.DataFrame, list[str]]:
    """`row`, `domain` and what `tell` tells of each row on each domain; and what is missing."""
    lines, left_out = [], list[str]()
    for model in rows:
        lacking = dict[str, str]()
        for name in domains:
            domain, (told, score) = domain_title(findings, name), tell(model, name)
            lines += [{"row": model.title, "domain": domain, **line} for line in told]
            if score.mean is None:
                lacking[domain] = why(score)
        left_out += missing(model.title, lacking, len(domains))
    return pl.DataFrame(lines, infer_schema_length=None), left_out


def per_domain(findings: Findings) -> tuple[pl.DataFrame, list[str]]:
    """`row, model, domain, parameters, auc, low, high` (95 %), and what is missing."""
    found = comparisons(findings).select("row", "domain", "auc_ci_low", "auc_ci_high")
    intervals = {(row, domain): {"low": low, "high": high} for row, domain, low, high in found.rows()}
    parameters = {model.name: row_cost(findings.scores, model).parameters for model in findings.plan.models}

    def tell(model: ModelFacts, domain: str) -> tuple[list[dict[str, Any]], Score]:
        score = findings.scores.own(model, domain)
        line = {"model": model.model, "parameters": parameters[model.name], "auc": score.mean}
        return [] if score.mean is None else [line | intervals[model.name, domain]], score

    return gathered(findings, findings.plan.models, findings.plan.domains, tell)


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
