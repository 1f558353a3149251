"""Histories: the user's last positively-labelled items strictly before a row's time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

POSITIVE = pl.col("label") == 1
"""The rows that a history is made of."""


@dataclass(frozen=True)
class Histories:
    """The histories of all rows, each as a slice of one sequence: a few bytes a row, whatever the window.

    items: (1,) List(UInt32): the `item_index` of each purchase that may be shown, by key, then time.
    start, length: (rows,), where each row's history begins in that list, and how many items it has.
    """

    items: pl.Series
    start: NDArray[np.uint32]
    length: NDArray[np.uint16]

    def of(self, rows: NDArray[np.uint32], ids: pl.Series) -> pl.Series:
        """The histories of some rows (by their places) as lists of item ids, oldest first.

        ids: (1,) List(String), the items' ids by `item_index`. A list, as it is when it is taken from: made anew for
        each call it would be copied each time.
        """
        start = pl.Series("start", self.start[rows])
        places = pl.int_ranges("start", pl.col("start") + pl.Series(self.length[rows]), dtype=pl.UInt32)
        history = pl.lit(ids).list.gather(pl.lit(self.items).list.gather(places))
        return start.to_frame().select(history.alias("history")).to_series()


def find_histories(
    rows: pl.DataFrame, window: int, keys: tuple[str, ...] = ("user_index",), shown: pl.Expr = POSITIVE
) -> Histories:
    """Each row's history: at most `window` items, oldest first.

    `rows` has `keys` (whose history it is), `item_index`, `time` and what `shown` reads, in any order. Every row
    has a history; `shown` is true for the rows that histories are made of. Rows of the row's own time are never in
    its history. The same item at the same time counts once (one item may stand in two domains); items of one time
    stand in the order of `item_index`. An item of an earlier time stays, even the row's own: a repeated purchase is
    known before the row.
    One sort and a few passes, so a user with many rows costs no more than many users.
    """
    by = [*keys, "time", "item_index"]
    order = rows.select(pl.arg_sort_by([*by, shown], descending=[False] * len(by) + [True])).to_series()
    ordered = rows.select(pl.col(by).gather(order), shown.gather(order).alias("shown"))
    same_key, same_time, same_item = (repeats(ordered, by[: len(keys) + n]) for n in range(3))
    # Of one item at one time the row that is shown comes first, so a repeat adds nothing.
    counted = ordered["shown"].to_numpy() & ~same_item
    before = np.cumsum(counted, dtype=np.uint32) - counted
    end = before[_first_of_run(same_time)]
    lengths = np.minimum(end - before[_first_of_run(same_key)], window).astype(np.uint16)
    start, length = np.empty_like(end), np.empty_like(lengths)
    start[order.to_numpy()], length[order.to_numpy()] = end - lengths, lengths
    return Histories(ordered["item_index"].filter(pl.Series(counted)).cast(pl.UInt32).implode(), start, length)


def repeats(rows: pl.DataFrame, columns: Sequence[str]) -> NDArray[np.bool_]:
    """Whether a row equals the one above it in all these columns."""
    same = pl.all_horizontal(pl.col(column) == pl.col(column).shift() for column in columns)
    return rows.select(same.fill_null(False)).to_series().to_numpy()


def _first_of_run(repeated: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """For each row, the index of the first row of its run of equal keys."""
    index = np.arange(len(repeated), dtype=np.uint32)
    index[repeated] = 0
    return np.maximum.accumulate(index, out=index)
