"""How a prepared dataset is spread, per domain: over time, over users and items, over values, over domains.

Every number is a count of rows, items or users, made by polars a few passes at a time; nothing loops over rows.
Fields come from the manifest, so any dataset's numbers and texts are profiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import polars as pl

from ctrbench.data.bins import bin_counts, doubling_edges, in_order, place, whole_edges
from ctrbench.data.distributions import Distribution, distributions
from ctrbench.data.periods import Period, choose_period, moment, starts
from ctrbench.data.split import SPLITS
from ctrbench.data.store import PreparedDataset

Counted = Literal["items", "users"]
KEYS: dict[Counted, str] = {"items": "item", "users": "user_index"}
_SURE = 1.96  # of a 95 % interval
_TOP = (0.01, 0.1)


@dataclass(frozen=True)
class Profile:
    """Frames with a column `domain`, in canonical order, and one row per bin.

    over_time: `start, rows, label_rate` (null without rows)`, low, high` (Wilson's 95 % interval).
    cuts: `split, start`, where every row of the splits before is no later.
    histories: `label, low, high, count, share`; frequency: the same, with `of`: how many items, or users, have
      so many rows in the domain. top: `of, distinct`, and the share of rows of its most frequent 1 % and 10 %.
    unseen: `split, user, item, either`, shares of rows without a training row in any domain.
    overlap: of items, and of users: `other, shared, share` of the domain's that also have rows in the other.
    """

    period: Period
    over_time: pl.DataFrame
    cuts: pl.DataFrame
    histories: pl.DataFrame
    frequency: pl.DataFrame
    top: pl.DataFrame
    unseen: pl.DataFrame
    distributions: tuple[Distribution, ...]
    overlap: Mapping[Counted, pl.DataFrame]


def profile(data: PreparedDataset) -> Profile:
    """All that `Profile` holds. Raises `DataError` for files that cannot be read."""
    rows = split_rows(data)
    with data.reading():
        period, over_time = _over_time(data, rows)
        counts = {of: _row_counts(rows, key) for of, key in KEYS.items()}
        return Profile(
            period=period,
            over_time=over_time,
            cuts=_cuts(data, rows),
            histories=_histories(data, rows),
            frequency=pl.concat([_frequency(data, found, of) for of, found in counts.items()]),
            top=pl.concat([_top(data, found, of) for of, found in counts.items()]),
            unseen=unseen_shares(data),
            distributions=distributions(data, rows, counts["items"]),
            overlap={of: _overlap(data, found, KEYS[of]) for of, found in counts.items()},
        )


def split_rows(data: PreparedDataset) -> pl.LazyFrame:
    """The rows of all splits, with a column `split`."""
    return pl.concat([data.scan(split).with_columns(pl.lit(split).alias("split")) for split in SPLITS])


def unseen_shares(data: PreparedDataset) -> pl.DataFrame:
    """How much of a split is cold: users and items without a training row in any domain."""
    user, item = (_unseen(data, column) for column in ("user_index", "item"))
    later = split_rows(data).filter(pl.col("split") != "train").group_by("domain", "split")
    shares = later.agg(user=user.mean(), item=item.mean(), either=(user | item).mean())
    order = pl.col("split").replace_strict({split: place for place, split in enumerate(SPLITS)}, return_dtype=pl.Int8)
    return in_order(data.domains, shares.collect(engine="streaming"), order)


def _unseen(data: PreparedDataset, column: str) -> pl.Expr:
    seen = data.scan("train").select(pl.col(column).unique()).collect(engine="streaming").to_series()
    return ~pl.col(column).is_in(seen.implode())


def _over_time(data: PreparedDataset, rows: pl.LazyFrame) -> tuple[Period, pl.DataFrame]:
    """Periods without rows between a domain's first and last stand there, with nothing in them."""
    first, last = rows.select(first=pl.col("time").min(), last=pl.col("time").max()).collect(engine="streaming").row(0)
    period = choose_period(first, last)
    found = (
        rows.group_by("domain", moment(pl.col("time")).dt.truncate(period.every).alias("start"))
        .agg(rows=pl.len(), label_rate=pl.col("label").mean())
        .collect(engine="streaming")
    )
    every = found.select(pl.col("domain").unique()).join(starts(period, first, last), how="cross")
    within = pl.col("start").is_between(pl.col("from"), pl.col("to"))
    span = found.group_by("domain").agg(pl.col("start").min().alias("from"), pl.col("start").max().alias("to"))
    whole = every.join(span, on="domain").filter(within).select("domain", "start")
    counted = whole.join(found, on=["domain", "start"], how="left").with_columns(pl.col("rows").fill_null(0))
    return period, in_order(
        data.domains, counted.with_columns(*interval(pl.col("label_rate"), pl.col("rows"))), "start"
    )


def interval(rate: pl.Expr, rows: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Wilson's 95 % interval of a rate, which stays within 0 and 1 however few the rows."""
    weight = 1 + _SURE**2 / rows
    centre = (rate + _SURE**2 / (2 * rows)) / weight
    half = _SURE * (rate * (1 - rate) / rows + _SURE**2 / (4 * rows**2)).sqrt() / weight
    return (centre - half).alias("low"), (centre + half).alias("high")


def _cuts(data: PreparedDataset, rows: pl.LazyFrame) -> pl.DataFrame:
    """Where a later split begins, of domains whose splits follow each other in time (random ones do not)."""
    reach = rows.group_by("domain", "split").agg(first=pl.col("time").min(), last=pl.col("time").max())
    found = {(domain, split): (first, last) for domain, split, first, last in reach.collect().iter_rows()}
    made = []
    for domain in data.domains:
        present = [split for split in SPLITS if (domain, split) in found]
        for before, split in pairwise(present):
            if found[domain, before][1] <= found[domain, split][0]:
                made.append((domain, split, found[domain, split][0]))
    cuts = pl.DataFrame(made, schema={"domain": pl.String, "split": pl.String, "time": pl.Int64}, orient="row")
    return cuts.select("domain", "split", moment(pl.col("time")).alias("start"))


def _row_counts(rows: pl.LazyFrame, key: str) -> pl.DataFrame:
    """How many rows (`value`) each item or user has in each domain."""
    counts = rows.group_by("domain", key).agg(value=pl.len().cast(pl.Int64))
    return counts.collect(engine="streaming")


def _histories(data: PreparedDataset, rows: pl.LazyFrame) -> pl.DataFrame:
    length = rows.select("domain", value=pl.col("history").list.len().cast(pl.Int64))
    counted = length.group_by("domain", "value").agg(n=pl.len()).collect(engine="streaming")
    longest = counted["value"].max()
    assert isinstance(longest, int)
    return in_order(data.domains, bin_counts(counted, whole_edges(0, longest)), "low")


def _frequency(data: PreparedDataset, counts: pl.DataFrame, of: Counted) -> pl.DataFrame:
    counted = counts.group_by("domain", "value").agg(n=pl.len())
    most = counted["value"].max()
    assert isinstance(most, int)
    bins = in_order(data.domains, bin_counts(counted, doubling_edges(most)), "low")
    return bins.with_columns(pl.lit(of).alias("of"))


def _top(data: PreparedDataset, counts: pl.DataFrame, of: Counted) -> pl.DataFrame:
    value = pl.col("value")
    shares = [
        (value.sort(descending=True).head((pl.len() * share).ceil().cast(pl.Int64)).sum() / value.sum()).alias(
            f"top {share:.0%}"
        )
        for share in _TOP
    ]
    made = counts.group_by("domain").agg(pl.lit(of).alias("of"), pl.len().alias("distinct"), *shares)
    return in_order(data.domains, made)


def _overlap(data: PreparedDataset, counts: pl.DataFrame, key: str) -> pl.DataFrame:
    pairs = counts.lazy().select("domain", key)
    shared = (
        pairs.join(pairs.rename({"domain": "other"}), on=key)
        .group_by("domain", "other")
        .agg(shared=pl.len())
        .collect(engine="streaming")
    )
    sizes = shared.filter(pl.col("domain") == pl.col("other")).select("domain", size="shared")
    every = sizes.select("domain").join(sizes.select(other="domain"), how="cross")
    whole = every.join(shared, on=["domain", "other"], how="left").join(sizes, on="domain")
    share = pl.col("shared").fill_null(0)
    whole = whole.select("domain", "other", shared=share, share=share / pl.col("size"))
    return in_order(data.domains, whole, place(data.domains, "other"))
