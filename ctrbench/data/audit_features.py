"""Whether a feature is the label in other words: its rating, a copy, or what was written down after the click."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import polars as pl

from ctrbench.data.audit_check import Check, failed_if
from ctrbench.data.audit_rows import NEEDED, AuditRows
from ctrbench.data.split import SPLITS
from ctrbench.data.store import TRUE_PROBABILITY, PreparedDataset

_OTHERS = frozenset(NEEDED) - {"label"}
_ENOUGH = 30
"""Rows of the rarer label, from which on a feature that goes with it is no chance."""
_SLIPS = 0.001
"""Share of the rarer label's rows on which a feature that tells the label may err."""
NEARLY = 0.98
"""AUC from which on a feature that alone ranks rows is worth a question."""
_NO_PROOF = math.nextafter(1, 0)
_FEW = 1000
"""Values of which each is a group; of more, chance alone would tell the labels."""
_RATE = pl.col("positive") / (pl.col("positive") + pl.col("negative"))


def audit_features(rows: AuditRows) -> Check:
    """The features that models see of a row itself; users, items and domains may well have one label each.

    What fails is a feature of which each value, or its absence, goes with one label, and a number that is higher for
    all rows of one label than for all of the other. One that does so nearly (`NEARLY`) is told: it may be such a
    feature with a few dirty rows, or a good one. Less plain a leak, such as an average over all time, is not found.
    """
    name = "no feature of a row is its label in other words"
    features = list(features_of(rows.data))
    told, suspects = [], []
    for feature in features:
        auc = telling(_values(rows, feature))
        if feature == TRUE_PROBABILITY or auc == 1:
            told.append(feature)
        elif auc >= NEARLY:
            auc = math.floor(100 * auc) / 100  # 0.999 is not 1.00
            suspects.append(f"{feature} alone ranks rows with AUC {auc:.2f}: is it known before the label?")
    if told:
        return failed_if(True, name, f"{', '.join(told)} tells the label: leave it out, and prepare again", suspects)
    if suspects:
        return Check(name=name, result="allowed", found="; ".join(suspects))
    return failed_if(False, name, _examined(rows, len(features)))


def _examined(rows: AuditRows, count: int) -> str:
    told = f"{count or 'no'} feature{'' if count == 1 else 's'} of rows"
    if any(_seen(rows.data, name) for name in rows.data.items.columns):
        return f"{told}; features of items are not examined, as they are the same for all of an item's rows"
    return told


def features_of(data: PreparedDataset) -> Iterator[str]:
    """Columns of rows whose values models see one by one."""
    with data.reading():
        schema = data.scan("train").collect_schema()
    for name, kind in schema.items():
        if _seen(data, name) and not kind.is_nested():
            yield name


def _seen(data: PreparedDataset, name: str) -> bool:
    """Whether a column is a feature, or stands in a prompt, and is none that every dataset has."""
    manifest = data.manifest
    templates = [prompt.template for prompt in manifest.prompts.values()]
    shown = any(field.name == name for field in manifest.fields) or any(f"{{{name}}}" in text for text in templates)
    return shown and name not in _OTHERS


def _values(rows: AuditRows, name: str) -> pl.DataFrame:
    """`value` and `label` of all rows."""
    columns = pl.col(name).alias("value"), pl.col("label").cast(pl.Int64)
    with rows.data.reading():
        every = pl.concat([rows.data.scan(split).select(columns) for split in SPLITS])
        values = every.filter(pl.col("label").is_in([0, 1])).collect()
    return values.with_columns(pl.col("value").fill_nan(None)) if values.schema["value"].is_float() else values


def telling(values: pl.DataFrame) -> float:
    """How well a feature, or its absence, tells the label: 1 where it is the label in other words, else an AUC.

    values: `value` and `label` of rows.
    """
    groups, absence = _groups(values, pl.col("value")), _groups(values, pl.col("value").is_null())
    if _explains(groups) or _explains(absence):
        return 1.0
    aucs = [_auc(absence.sort(_RATE))]
    if values.schema["value"].is_numeric():
        known = values.drop_nulls()
        if _separates(known):
            return 1.0
        aucs.append(_auc(groups.drop_nulls().sort("group")))
    if groups.height <= min(_FEW, values.height / _ENOUGH):
        aucs.append(_auc(groups.sort(_RATE)))
    return min(max(aucs), _NO_PROOF)


def _groups(values: pl.DataFrame, by: pl.Expr) -> pl.DataFrame:
    """`group`, and how many of its rows are `positive` and `negative`."""
    counts = values.group_by(by.alias("group")).agg(pl.len().cast(pl.Int64), positive=pl.col("label").sum())
    return counts.select("group", "positive", negative=pl.col("len") - pl.col("positive"))


def _explains(groups: pl.DataFrame) -> bool:
    """Whether rows of one group have one label; groups of one row say nothing."""
    counts = groups.select("positive", "negative").filter(pl.sum_horizontal(pl.all()) > 1)
    positive, negative, slips = counts.select("positive", "negative", slips=pl.min_horizontal(pl.all())).sum().row(0)
    rarer = min(positive, negative)
    return bool(rarer >= _ENOUGH and slips <= _SLIPS * rarer)


def _auc(ordered: pl.DataFrame) -> float:
    """Of the groups in this order or its reverse, rows of one group being ties; 0 for too few rows."""
    positive, negative = (ordered[name].to_numpy().astype(np.float64) for name in ("positive", "negative"))
    if min(positive.sum(), negative.sum()) < _ENOUGH:
        return 0.0
    below = np.cumsum(negative) - negative / 2
    auc = float(positive @ below / (positive.sum() * negative.sum()))
    return max(auc, 1 - auc)


def _separates(values: pl.DataFrame) -> bool:
    """Whether all values of one label are above those of the other."""
    low, high = (values.filter(label=label)["value"].to_numpy() for label in (0, 1))
    if min(len(low), len(high)) < _ENOUGH:
        return False
    return bool(low.max() < high.min() or high.max() < low.min())
