"""Mean and standard deviation of a number over train rows, of which few are in memory.

Missing values do not count. Both functions give (0, 1) for a column without values, and a deviation of 1 for a
constant one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain

import numpy as np
import polars as pl

_CONSTANT = 1e-12  # a deviation below this share of the mean is rounding


def scale_of_rows(column: pl.LazyFrame) -> tuple[float, float]:
    """Of rows' own values. Sums are exact, so that they do not depend on the parts that rows are read in."""

    def values() -> Iterator[np.ndarray]:
        present = column.select(pl.all().cast(pl.Float64).fill_nan(None)).drop_nulls()
        return (batch.to_series().to_numpy() for batch in present.collect_batches())

    count = sum(map(len, values()))
    if not count:
        return 0.0, 1.0
    mean = _total(values()) / count
    return _scale(mean, _total((part - mean) ** 2 for part in values()) / count)


def scale_of_items(values: pl.Series, rows: pl.Series) -> tuple[float, float]:
    """Of values of items, each of which stands in so many rows."""
    present = values.cast(pl.Float64).fill_nan(None)
    weights = rows.filter(present.is_not_null()).to_numpy()
    if not len(weights):
        return 0.0, 1.0
    numbers = present.drop_nulls().to_numpy()
    mean = float(np.average(numbers, weights=weights))
    return _scale(mean, float(np.average((numbers - mean) ** 2, weights=weights)))


def _total(parts: Iterator[np.ndarray]) -> float:
    return math.fsum(chain.from_iterable(part.tolist() for part in parts))


def _scale(mean: float, variance: float) -> tuple[float, float]:
    deviation = math.sqrt(variance)
    return mean, deviation if deviation > _CONSTANT * abs(mean) else 1.0
