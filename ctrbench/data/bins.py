"""Bins that suit what they hold: whole numbers, long tails, or anything between two bounds."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

MOST = 30
"""About how many bins a chart can bear."""

_TAIL = 0.005  # this share of the values at either end may stand in the first and last bin, however far they lie
_SKEWED = 20  # a tail this many times the median calls for a logarithmic axis
_REACH = 1e12  # and this is the most that such an axis can bear


@dataclass(frozen=True)
class Edges:
    """Bins between consecutive `at`; values beyond them count in the first and last bin.

    `whole`: the values are whole numbers, and the edges lie halfway between them. `log`: best seen on a
    logarithmic axis.
    """

    at: tuple[float, ...]
    whole: bool = False
    log: bool = False


def whole_edges(low: int, high: int) -> Edges:
    """One bin per number from `low` to `high`, or per few numbers where those are many."""
    step = math.ceil((high - low + 1) / (MOST + 10))
    return Edges(tuple(edge - 0.5 for edge in range(low, high + step + 1, step)), whole=True)


def doubling_edges(high: int) -> Edges:
    """1, 2-3, 4-7, …: bins for counts from 1 to `high`, each twice as wide as the one before."""
    return Edges(tuple(2.0**power - 0.5 for power in range(high.bit_length() + 1)), whole=True, log=True)


def choose_edges(counted: pl.DataFrame) -> Edges:
    """Edges for `value`s, each there `n` times, that show how most of them are spread."""
    if counted.is_empty():
        return Edges((0.0, 1.0))
    ordered = counted.group_by("value").agg(pl.col("n").sum()).sort("value")
    low, middle, high = (_quantile(ordered, share) for share in (_TAIL, 0.5, 1 - _TAIL))
    whole = bool(ordered.select((pl.col("value") == pl.col("value").round()).all()).item())
    whole = whole and max(abs(low), abs(high)) < _REACH  # beyond it a half more is not told apart
    if whole and high - low <= MOST + 10:
        return whole_edges(int(low), int(high))
    if ordered["value"][0] > 0 and _SKEWED * middle < high < _REACH * low:
        return Edges(_growing_edges(low, high), log=True)
    return _linear_edges(low, high, whole)


def bin_counts(counted: pl.DataFrame, edges: Edges) -> pl.DataFrame:
    """Per domain and bin: `domain, label, low, high, count, share`; empty bins stand there with 0.

    `counted` has `domain`, `value` and `n`, how often it is there.
    """
    last = len(edges.at) - 2
    bin_of = np.clip(np.searchsorted(edges.at, counted["value"].to_numpy(), side="right") - 1, 0, last)
    found = (
        counted.with_columns(pl.Series("bin", bin_of, dtype=pl.Int64)).group_by("domain", "bin").agg(pl.col("n").sum())
    )
    bins = pl.DataFrame({"bin": range(last + 1), "low": edges.at[:-1], "high": edges.at[1:]}).with_columns(
        label=pl.Series(_labels(counted["value"], edges), dtype=pl.String)
    )
    every = counted.select(pl.col("domain").unique()).join(bins, how="cross")
    whole = every.join(found, on=["domain", "bin"], how="left").with_columns(count=pl.col("n").fill_null(0))
    share = pl.col("count") / pl.col("count").sum().over("domain")
    return whole.select("domain", "label", "low", "high", "count", share=share)


def in_order(domains: Sequence[str], frame: pl.DataFrame, *then: str | pl.Expr) -> pl.DataFrame:
    """Sort by the column `domain` in the domains' own order, then by others."""
    return frame.sort(place(domains, "domain"), *then)


def place(domains: Sequence[str], column: str) -> pl.Expr:
    """Where a column's domain stands among the domains."""
    return pl.col(column).replace_strict({domain: n for n, domain in enumerate(domains)}, return_dtype=pl.Int32)


def number(value: float) -> str:
    """A number for people: four digits, and no fewer than stand before the point."""
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:.4g}"


def _labels(values: pl.Series, edges: Edges) -> list[str]:
    made = [_label(low, high, edges.whole) for low, high in pairwise(edges.at)]
    if values.is_empty():
        return made
    smallest, largest = values.min(), values.max()
    assert isinstance(smallest, int | float)
    assert isinstance(largest, int | float)
    if smallest < edges.at[0]:
        made[0] = f"up to {number(math.floor(edges.at[1]) if edges.whole else edges.at[1])}"
    if largest >= edges.at[-1]:
        made[-1] = f"{number(math.ceil(edges.at[-2]) if edges.whole else edges.at[-2])} or more"
    return made


def _label(low: float, high: float, whole: bool) -> str:
    if not whole:
        return f"{number(low)} to {number(high)}"
    first, last = math.ceil(low), math.floor(high)
    return number(first) if first == last else f"{number(first)}-{number(last)}"


def _quantile(ordered: pl.DataFrame, share: float) -> float:
    """The smallest value that this share of all `n` does not exceed."""
    reached = ordered["n"].cum_sum()
    row = int(reached.search_sorted(share * reached[-1]))
    return float(ordered["value"][min(row, ordered.height - 1)])


def _linear_edges(low: float, high: float, whole: bool) -> Edges:
    """Bins of a round width (1, 2 or 5 times a power of ten), from a multiple of it; one bin where no float is."""
    if low == high:
        half = max(0.5, abs(low) * 1e-9)
        return Edges((low - half, low + half))
    width = high / MOST - low / MOST
    if not _finest(low, high) < width < 1e300:
        return Edges((low, high))
    step = max(1.0, _round_up(width)) if whole else _round_up(width)
    first, last = math.floor(low / step), math.floor(high / step)
    shift = 0.5 if whole else 0.0
    at = (float(f"{n * step:.12g}") - shift for n in range(first, last + 2))
    return Edges(tuple(at), whole=whole)


def _finest(low: float, high: float) -> float:
    """The least width that twelve digits can tell apart."""
    return max(abs(low), abs(high), sys.float_info.min) * 1e-9


def _round_up(width: float) -> float:
    power = 10.0 ** math.floor(math.log10(width))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= width * (1 - 1e-9))


def _growing_edges(low: float, high: float) -> tuple[float, ...]:
    """10, 15, 20, 30, 50, 70, 100, …: round numbers, each about 1.5 times the one before, around both ends."""
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 2)
    series = [float(f"{times}e{power}") for power in powers for times in (1, 1.5, 2, 3, 5, 7)]
    start = max(n for n, edge in enumerate(series) if edge <= low)
    end = min(n for n, edge in enumerate(series) if edge > high)
    return tuple(series[start : end + 1])
