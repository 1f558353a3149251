"""Which rows train, validate and test a model: one split for every model."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

Split = Literal["train", "valid", "test"]

SPLITS: tuple[Split, ...] = ("train", "valid", "test")

SPLIT = pl.Enum(SPLITS)
"""The type of the column `split`."""

SplitRule = Literal["time", "global_time", "random"]


def add_split(rows: pl.DataFrame, rule: SplitRule, train: float, valid: float, seed: int) -> pl.DataFrame:
    """Add the column `split` to rows in canonical order (`row_id` ascends by domain, then time).

    `time`: per domain, the earliest share `train` of its rows, then the share `valid`, then the rest.
    `global_time`: the same two moments cut all domains, so none trains on another's test period.
    `random`: per domain, rows drawn at random by `seed`.
    """
    if rule == "random":
        rows = rows.with_columns(pl.Series("_drawn", _mix(rows["row_id"].to_numpy(), seed)))
    if rule == "global_time":
        place, size = pl.col("time").rank("ordinal"), pl.len()
    else:
        order = pl.col("_drawn" if rule == "random" else "row_id")
        place, size = order.rank("ordinal").over("domain"), pl.len().over("domain")
    named = {split: pl.lit(split, SPLIT) for split in SPLITS}
    early = pl.when(place <= _share(size, train)).then(named["train"])
    split = early.when(place <= _share(size, train + valid)).then(named["valid"]).otherwise(named["test"])
    return rows.with_columns(split.alias("split")).drop("_drawn", strict=False)


def _share(size: pl.Expr, share: float) -> pl.Expr:
    return (size * share + 1e-9).floor()  # 0.8 + 0.1 of 10 rows is 9, whatever the float says


def _mix(values: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """splitmix64: the same draw on every machine and version."""
    x = values.astype(np.uint64) + np.uint64(seed * 0xD1B54A32D192ED03 % 2**64)
    x += np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
