"""Canonical rows in memory, as numbers; and slice by slice as they are stored, with ids and histories in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from ctrbench.data.history import Histories
from ctrbench.data.split import Split

SLICE = 131_072
"""Rows that are made ready, hashed and written at a time: a row group of the file."""
_USUAL = 16
"""Items of a history, up to which that many rows are few enough."""

_NUMBERS = ("user_index", "item_index", "split")


@dataclass(frozen=True)
class Canonical:
    """All rows in canonical order, and what their numbers stand for.

    rows: `domain` (Enum), `user_index`, `item_index` (UInt32), `time`, `label`, `split` (Enum) and the source's
      extra columns; a row's place is its `row_id`. No ids: millions of texts would take most of the memory.
    users: ids by `user_index`. items: one row per item, its place is its `item_index`.
    histories: None where the data brings its own, in the column `history` of `rows`.
    """

    rows: pl.DataFrame
    users: pl.Series
    items: pl.DataFrame
    histories: Histories | None

    def counts(self, split: Split) -> dict[str, int]:
        """Rows of a split per domain; a domain without any is left out."""
        return dict(self.rows.filter(pl.col("split") == split).group_by("domain").len().iter_rows())

    def slices(self, split: Split) -> Iterator[pl.DataFrame]:
        """The rows of a split as they are stored; one slice at least, be it without a row."""
        longest = 0 if self.histories is None else int(self.histories.length.max())
        size = max(SLICE * _USUAL // max(longest, _USUAL), 1)
        places = self.rows.select((pl.col("split") == split).arg_true()).to_series()
        ids = self.items["item"].implode()
        for start in range(0, max(len(places), 1), size):
            part = places.slice(start, size)
            stored = self._stored(part)
            if self.histories is not None:
                stored = stored.with_columns(self.histories.of(part.to_numpy(), ids))
            yield stored

    def _stored(self, places: pl.Series) -> pl.DataFrame:
        """Rows by their places, with ids; all but their histories."""
        rows = self.rows[places]
        return rows.select(
            places.cast(pl.Int64).alias("row_id"),
            pl.col("domain").cast(pl.String),
            self.users.gather(rows["user_index"]).alias("user"),
            pl.col("user_index").cast(pl.Int64),
            self.items["item"].gather(rows["item_index"]).alias("item"),
            "time",
            "label",
            pl.exclude("domain", "time", "label", *_NUMBERS),
        )
