"""Whether predicted probabilities are the click rates they claim to be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl

BINS = 15


def reliability(label: np.ndarray, logit: np.ndarray, bins: int = BINS) -> pl.DataFrame:
    """The points of a reliability diagram: `low`, `high`, `predicted`, `observed`, `rows`, one line per bin.

    `predicted` is a bin's mean probability, `observed` its share of positive rows, `low` and `high` its smallest and
    largest probability. Bins hold equally many rows, up to ties: equal probabilities share a bin, so there may be fewer
    bins than asked for. No rows make no bins.
    """
    import polars as pl

    columns = ("low", "high", "predicted", "observed", "rows")
    if not len(logit):
        return pl.DataFrame(schema=dict.fromkeys(columns[:-1], pl.Float64) | {"rows": pl.Int64})
    probability = np.exp(-np.logaddexp(0.0, -logit.astype(np.float64)))
    order = np.argsort(probability)
    probability, positive = probability[order], label[order] != 0
    edges = np.unique(probability[np.arange(1, bins) * len(probability) // bins])
    starts = np.unique(np.append(0, np.searchsorted(probability, edges)))
    rows = np.diff(starts, append=len(probability))
    return pl.DataFrame(
        {
            "low": probability[starts],
            "high": probability[starts + rows - 1],
            "predicted": np.add.reduceat(probability, starts) / rows,
            "observed": np.add.reduceat(positive.astype(np.int64), starts) / rows,
            "rows": rows,
        }
    )


def calibration_error(label: np.ndarray, logit: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: |observed - predicted| over the bins of `reliability`, weighted by rows.

    15 bins as in Guo et al. 2017, but of equal mass, not width: click probabilities crowd in a few bins of equal width,
    and those of equal mass are less biased (Roelofs et al. 2022). NaN without rows.
    """
    found = reliability(label, logit, bins)
    if not found.height:
        return math.nan
    gap = np.abs(found["observed"].to_numpy() - found["predicted"].to_numpy())
    return float(np.average(gap, weights=found["rows"].to_numpy()))
