"""How a dataset's numbers are spread, and how long its texts are, per domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from ctrbench.data.bins import Edges, bin_counts, choose_edges, in_order
from ctrbench.data.source import Field
from ctrbench.data.store import PreparedDataset


@dataclass(frozen=True)
class Distribution:
    """How one field is spread over a domain's items (a column of the items table) or its rows.

    `bins`: `domain, label, low, high, count, share`; shares are of the values that are there. `summary`:
    `domain, values, missing` (a share), `smallest, median, mean, largest`. Texts count characters.
    """

    field: Field
    over: Literal["items", "rows"]
    edges: Edges
    bins: pl.DataFrame
    summary: pl.DataFrame


def distributions(data: PreparedDataset, rows: pl.LazyFrame, item_counts: pl.DataFrame) -> tuple[Distribution, ...]:
    """One of each field that is a number or a text and has a column; `item_counts`: `domain, item`, each once."""
    of_rows, of_items = rows.collect_schema().names(), data.items.columns
    made = []
    for field in data.manifest.fields:
        if field.kind not in ("number", "text"):
            continue
        value = _value(field).alias("value")
        if field.name in of_items:
            items = data.items.lazy().select("item", value)
            values = item_counts.lazy().select("domain", "item").join(items, on="item").select("domain", "value")
            made.append(_distribution(data, field, "items", values))
        elif field.name in of_rows:
            made.append(_distribution(data, field, "rows", rows.select("domain", value)))
    return tuple(made)


def _value(field: Field) -> pl.Expr:
    """A number, or a text's length in characters; null where there is nothing to count."""
    if field.kind == "number":
        number = pl.col(field.name).cast(pl.Float64)
        return pl.when(number.is_finite()).then(number)
    length = pl.col(field.name).cast(pl.String).str.strip_chars().str.len_chars().cast(pl.Float64)
    return pl.when(length > 0).then(length)


def _distribution(
    data: PreparedDataset, field: Field, over: Literal["items", "rows"], values: pl.LazyFrame
) -> Distribution:
    value = pl.col("value")
    summary = values.group_by("domain").agg(
        values=value.count(),
        missing=value.is_null().mean(),
        smallest=value.min(),
        median=value.median(),
        mean=value.mean(),
        largest=value.max(),
    )
    counted = values.drop_nulls().group_by("domain", "value").agg(n=pl.len()).collect(engine="streaming")
    edges = choose_edges(counted)
    return Distribution(
        field=field,
        over=over,
        edges=edges,
        bins=in_order(data.domains, bin_counts(counted, edges), "low"),
        summary=in_order(data.domains, summary.collect(engine="streaming")),
    )
