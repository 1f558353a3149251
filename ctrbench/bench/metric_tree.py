"""From scored rows to the metrics of a record: split -> domain -> head."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ctrbench.bench.records import Metrics, Target
from ctrbench.data.store import TRUE_PROBABILITY
from ctrbench.evaluation.metrics import auc, logloss

ORACLE = "oracle"
MetricTree = dict[str, dict[str, dict[str, Metrics]]]
"""split -> domain -> head"""


def long_table(split: str, truth: pl.Series | None, scores: pl.DataFrame, heads: Sequence[str]) -> pl.DataFrame:
    """One row per scored row and head: split, domain, head, row_id, label, logit, true_probability.

    `truth`: each row's true probability, where it is known. The first three are Categorical: 33 bytes a row in all.
    """
    known = pl.lit(None, pl.Float64) if truth is None else truth
    domain = pl.col("domain").cast(pl.String).cast(pl.Categorical)
    facts = scores.select(_name(split, "split"), domain, "row_id", "label", known.alias(TRUE_PROBABILITY))
    order = ["split", "domain", "head", "row_id", "label", "logit", TRUE_PROBABILITY]
    return pl.concat([facts.with_columns(_name(head, "head"), logit=scores[head]).select(order) for head in heads])


def _name(value: str, column: str) -> pl.Expr:
    return pl.lit(value, pl.Categorical).alias(column)


def metrics(scored: pl.DataFrame) -> MetricTree:
    """split -> domain -> head, with the oracle where each row's true probability is known."""
    found: MetricTree = {}
    for (split, domain, head), part in scored.group_by(["split", "domain", "head"], maintain_order=True):
        heads = found.setdefault(str(split), {}).setdefault(str(domain), {})
        heads[str(head)] = _metric(part["label"], part["logit"])
        truth = part[TRUE_PROBABILITY]
        if len(truth) and truth.null_count() == 0:
            heads[ORACLE] = _metric(part["label"], (truth / (1 - truth)).log())
    return found


def _metric(label: pl.Series, logit: pl.Series) -> Metrics:
    labels, logits = label.to_numpy(), logit.to_numpy()
    value = auc(labels, logits)
    return Metrics(auc=value, logloss=logloss(labels, logits), rows=len(labels), positives=int(labels.sum()))


def nothing(targets: Sequence[Target]) -> MetricTree:
    """What is known of targets without a row."""
    found: MetricTree = {}
    for target in targets:
        found.setdefault(target.split, {}).setdefault(target.domain, {})[target.head] = Metrics(rows=0, positives=0)
    return found


def merge(*trees: MetricTree) -> MetricTree:
    """Later trees win."""
    merged: MetricTree = {}
    for tree in trees:
        for split, domains in tree.items():
            for domain, heads in domains.items():
                merged.setdefault(split, {}).setdefault(domain, {}).update(heads)
    return merged
