"""From scored rows to the metrics of a record: split -> domain -> head."""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

from ctrbench.bench.records import ORACLE, Metrics
from ctrbench.data.store import TRUE_PROBABILITY
from ctrbench.evaluation.metrics import auc, logloss

MetricTree = dict[str, dict[str, dict[str, Metrics]]]
"""split -> domain -> head"""
_CERTAIN = 1e-7  # as far from 0 and 1 as float32 can tell
_SAME = 1e-9  # between a metric in a record and the same one from the file beside it


def long_table(split: str, domain: str, scores: pl.DataFrame, heads: Sequence[str]) -> pl.LazyFrame:
    """One row per scored row and head: split, domain, head, row_id, label, logit, true_probability."""
    where = (pl.lit(split).alias("split"), pl.lit(domain).alias("domain"))
    return pl.concat(
        scores.lazy().select(
            *where, pl.lit(head).alias("head"), "row_id", "label", pl.col(head).alias("logit"), TRUE_PROBABILITY
        )
        for head in heads
    )


def metrics(split: str, domain: str, scores: pl.DataFrame, heads: Sequence[str]) -> MetricTree:
    """split -> domain -> head, with the oracle where each row's true probability is known."""
    found = {head: _metric(scores["label"], scores[head]) for head in heads}
    truth = scores[TRUE_PROBABILITY]
    if len(truth) and truth.null_count() == 0:
        found[ORACLE] = _metric(scores["label"], as_logit(truth))
    return {split: {domain: found}}


def as_logit(probability: pl.Series) -> pl.Series:
    """The logits of true probabilities; certainty is finite, so that it has a log loss."""
    known = probability.clip(_CERTAIN, 1 - _CERTAIN)
    return (known / (1 - known)).log()


def _metric(label: pl.Series, logit: pl.Series) -> Metrics:
    labels, logits = label.to_numpy(), logit.to_numpy()
    value = auc(labels, logits)
    return Metrics(auc=value, logloss=logloss(labels, logits), rows=len(labels), positives=int(labels.sum()))


def comes_of(label: pl.Series, logit: pl.Series, told: Metrics) -> bool:
    """Whether rows give the metrics that a record tells of them."""
    if label.null_count() or logit.null_count() or not logit.is_finite().all():
        return False
    found = _metric(label, logit)
    if (found.rows, found.positives) != (told.rows, told.positives):
        return False
    pairs = ((found.auc, told.auc), (found.logloss, told.logloss))
    return all(a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=_SAME)) for a, b in pairs)


def merge(*trees: MetricTree) -> MetricTree:
    """Later trees win."""
    merged: MetricTree = {}
    for tree in trees:
        for split, domains in tree.items():
            for domain, heads in domains.items():
                merged.setdefault(split, {}).setdefault(domain, {}).update(heads)
    return merged
