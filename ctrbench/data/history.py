"""Histories: the user's last positively-labelled items strictly before a row's time."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

POSITIVE = pl.col("label") == 1
"""The rows that a history is made of."""


def add_history(
    rows: pl.DataFrame, window: int, keys: tuple[str, ...] = ("user_index",), shown: pl.Expr = POSITIVE
) -> pl.DataFrame:
    """Add the column `history`: at most `window` item ids, oldest first.

    `rows` has `keys` (whose history it is), `item`, `item_index`, `time` and what `shown` reads, in any order,
    which is kept. Every row has a history; `shown` is true for the rows that histories are made of. Rows of the
    row's own time are never in its history. The same item at the same time counts once (one item may stand in
    two domains); items of one time stand in the order of `item_index`. An item of an earlier time stays, even the
    row's own: a repeated purchase is known before the row.
    One sort and a few passes, so a user with many rows costs no more than many users.
    """
    by = [*keys, "time", "item_index"]
    order = rows.select(
        pl.arg_sort_by([*by, shown], descending=[False] * len(by) + [True], maintain_order=True)
    ).to_series()
    ordered = rows.select(pl.col(*by, "item").gather(order), shown.gather(order).alias("shown"))
    same_key, same_time, same_item = (_repeats(ordered, by[: len(keys) + n]) for n in range(3))
    # Of one item at one time the row that is shown comes first, so a repeat adds nothing.
    counted = ordered["shown"].to_numpy() & ~same_item
    before: NDArray[np.int64] = np.cumsum(counted) - counted
    end: NDArray[np.int64] = before[_first_of_run(same_time)]
    start = np.maximum(before[_first_of_run(same_key)], end - window)
    history = _slices(ordered["item"].filter(pl.Series(counted)), start, end, window)
    position = np.empty(rows.height, dtype=np.int64)
    position[order.to_numpy()] = np.arange(rows.height)
    return rows.with_columns(history.gather(position).alias("history"))


def _repeats(rows: pl.DataFrame, columns: list[str]) -> NDArray[np.bool_]:
    """Whether a row equals the one above it in all these columns."""
    same = pl.all_horizontal(pl.col(column) == pl.col(column).shift() for column in columns)
    return rows.select(same.fill_null(False)).to_series().to_numpy()


def _first_of_run(repeats: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each row, the index of the first row of its run of equal keys."""
    index = np.arange(len(repeats))
    return np.maximum.accumulate(np.where(repeats, 0, index))


def _slices(items: pl.Series, start: NDArray[np.int64], end: NDArray[np.int64], window: int) -> pl.Series:
    """`items[start:end]` for each row, as lists; no slice is longer than `window`."""
    if window == 0 or items.is_empty():
        return pl.Series("history", [[]], dtype=pl.List(pl.String)).new_from_index(0, len(start))
    index = start[:, None] + np.arange(window)  # (rows, window)
    valid = index < end[:, None]
    flat = pl.Series(np.where(valid, index, 0).ravel()).to_frame("i")
    taken = flat.select(pl.when(pl.Series(valid.ravel())).then(pl.lit(items).gather(pl.col("i")))).to_series()
    return taken.reshape((len(start), window)).arr.to_list().list.drop_nulls().alias("history")
