"""Whether a feature is the label in other words: its rating, a copy, or what was written down after the click."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from ctrbench.data.audit_check import Check, failed_if
from ctrbench.data.audit_rows import NEEDED, AuditRows
from ctrbench.data.split import SPLITS
from ctrbench.data.store import TRUE_PROBABILITY

_OTHERS = frozenset(NEEDED) - {"label"}
_ENOUGH = 30
"""Rows of the rarer label, from which on a feature that goes with it is no chance."""
_SLIPS = 0.001
"""Share of the rarer label's rows on which a feature that tells the label may err."""


def audit_features(rows: AuditRows) -> Check:
    """The features that models see of a row itself; users, items and domains may well have one label each.

    What is found is a feature of which each value, or its absence, goes with one label, and a number that is higher
    for all rows of one label than for all of the other. Less plain a leak, such as an average over all time, is not.
    """
    names = list(_names(rows))
    told = [name for name in names if name == TRUE_PROBABILITY or _tells(_values(rows, name))]
    found = f"{', '.join(told)} tells the label: leave it out, and prepare again" if told else f"{len(names)} features"
    return failed_if(bool(told), "no feature of a row is its label in other words", found)


def _names(rows: AuditRows) -> Iterator[str]:
    """Columns of rows that are features, or stand in a prompt."""
    manifest = rows.data.manifest
    fields = {field.name for field in manifest.fields}
    templates = [prompt.template for prompt in manifest.prompts.values()]
    with rows.data.reading():
        schema = rows.data.scan("train").collect_schema()
    for name, kind in schema.items():
        seen = name in fields or any(f"{{{name}}}" in template for template in templates)
        if seen and name not in _OTHERS and not kind.is_nested():
            yield name


def _values(rows: AuditRows, name: str) -> pl.DataFrame:
    """`value` and `label` of all rows."""
    columns = pl.col(name).alias("value"), pl.col("label").cast(pl.Int64)
    with rows.data.reading():
        every = pl.concat([rows.data.scan(split).select(columns) for split in SPLITS])
        values = every.filter(pl.col("label").is_in([0, 1])).collect()
    return values.with_columns(pl.col("value").fill_nan(None)) if values.schema["value"].is_float() else values


def _tells(values: pl.DataFrame) -> bool:
    if any(_explains(values, by) for by in (pl.col("value"), pl.col("value").is_null())):
        return True
    return values.schema["value"].is_numeric() and _separates(values.drop_nulls())


def _explains(values: pl.DataFrame, by: pl.Expr) -> bool:
    """Whether rows of one group have one label; groups of one row say nothing."""
    groups = values.group_by(by.alias("group")).agg(pl.len().alias("rows"), pl.col("label").sum().alias("positive"))
    counts = groups.filter(pl.col("rows") > 1).select("positive", negative=pl.col("rows") - pl.col("positive"))
    positive, negative, slips = counts.select("positive", "negative", slips=pl.min_horizontal(pl.all())).sum().row(0)
    rarer = min(positive, negative)
    return bool(rarer >= _ENOUGH and slips <= _SLIPS * rarer)


def _separates(values: pl.DataFrame) -> bool:
    """Whether all values of one label are above those of the other."""
    low, high = (values.filter(label=label)["value"].to_numpy() for label in (0, 1))
    if min(len(low), len(high)) < _ENOUGH:
        return False
    return bool(low.max() < high.min() or high.max() < low.min())
