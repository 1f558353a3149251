"""Counting the distinct values of a column of any length."""

from __future__ import annotations

import polars as pl

_LEAST = 2**17  # counts that may wait, however few distinct values there are


def tally(column: pl.LazyFrame) -> pl.DataFrame:
    """Each distinct value of the one column of `column`, sorted, and how many rows have it (`len`, UInt32).

    Rows are read in batches, so that what is in memory follows the number of distinct values: the streaming `group_by`
    of polars takes some ten bytes a row as well.
    """
    (name,) = column.collect_schema().names()
    counts = column.clear().group_by(name).len().collect()
    waiting: list[pl.DataFrame] = []
    for batch in column.collect_batches():
        waiting.append(batch.group_by(name).len())
        if sum(map(len, waiting)) > max(_LEAST, len(counts)):
            counts, waiting = _sum([counts, *waiting]), []
    return _sum([counts, *waiting]).sort(name)


def _sum(counts: list[pl.DataFrame]) -> pl.DataFrame:
    parts = pl.concat(counts)
    return parts.group_by(parts.columns[0]).agg(pl.col("len").sum())
