"""Reads the review and metadata files of Amazon Reviews, of either release, into the same columns."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from ctrbench.api import DataError, Problems, scan_json_lines, take_good
from ctrbench_plugins.datasets.amazon_files import Category

_NOTHING: Mapping[str, pl.DataType] = MappingProxyType({})
_EARLIEST = 10**8  # what is less is no time in seconds, but some other number
_LATEST = 10**11  # seconds; in milliseconds that is 1973, so one unit is never taken for the other


def read_reviews(category: Category, problems: Problems, extra: Mapping[str, pl.DataType] = _NOTHING) -> pl.DataFrame:
    """Rows `domain, user, item, time, rating` of one review file, and the values of `extra` keys (or null).

    Raises `DataError` where a time is in the other release's unit: to leave such rows out would cost part of the data.
    """
    keys = category.keys
    rows = scan_json_lines(category.reviews, [keys.user, keys.item, keys.rating, keys.time, *extra]).select(
        pl.lit(category.domain, dtype=pl.Categorical).alias("domain"),
        pl.col(keys.user).str.strip_chars().alias("user"),
        pl.col(keys.item).str.strip_chars().alias("item"),
        (_number(keys.time).cast(pl.Int64, strict=False) // keys.ticks).alias("time"),
        _number(keys.rating).cast(pl.Float32).alias("rating"),
        *(pl.col(key).cast(kind, strict=False) for key, kind in extra.items()),
        "_file",
        "_line",
        "_text",
        "_broken",
    )
    if keys.ticks == 1:
        unit, right, other, wrong = "seconds", (0, _LATEST), "milliseconds", (_LATEST, _LATEST * 1000)
    else:
        unit, right, other, wrong = "milliseconds", (_LATEST, _LATEST * 1000), "seconds", (_EARLIEST, _LATEST)
    ticks = pl.col("time") * keys.ticks
    mixed = f"{keys.time} is in {other}, and this release has {unit}"
    checks = {
        f"row without {keys.user}": pl.col("user").is_null() | (pl.col("user") == ""),
        f"row without {keys.item}": pl.col("item").is_null() | (pl.col("item") == ""),
        "rating is not a number from 1 to 5": ~pl.col("rating").is_between(1, 5),
        mixed: (ticks.is_between(*wrong) & ~ticks.is_between(*right)).fill_null(value=False),
        f"{keys.time} is not a number of {unit}": ~ticks.is_between(*right),
    }
    good = take_good(category.reviews, rows, checks, problems)
    for problem in problems.entries:
        if problem.reason == mixed:
            raise DataError(f"{problem.examples[0]}: {mixed} ({problem.count:,} such rows): bring them to one unit")
    return good


def read_meta(category: Category, problems: Problems) -> pl.DataFrame:
    """Rows `item, title, brand, price` of one metadata file, as they stand there; a number of dollars as `$9.99`."""
    assert category.meta is not None
    keys = category.keys
    price = pl.col("price")
    rows = scan_json_lines(category.meta, [keys.item, "title", keys.brand, "price"]).select(
        pl.col(keys.item).str.strip_chars().alias("item"),
        "title",
        pl.col(keys.brand).alias("brand"),
        price if keys.release == "2018" else price.str.replace(r"^\d", "$$${0}"),
        "_file",
        "_line",
        "_text",
        "_broken",
    )
    checks = {f"product without {keys.item}": pl.col("item").is_null() | (pl.col("item") == "")}
    return take_good(category.meta, rows, checks, problems, domain=category.domain, table="items")


def products_of_reviews(category: Category) -> pl.DataFrame:
    """The same of the products that a review file names, with nothing known; bad rows are told with the reviews."""
    items = read_reviews(category, Problems()).unique("item", keep="first", maintain_order=True)
    unknown = {"title": pl.String, "brand": pl.String, "price": pl.Float64}
    nothing = (pl.lit(None, dtype=kind).alias(name) for name, kind in unknown.items())
    return items.select("item", *nothing, "_file", "_line")


def _number(key: str) -> pl.Expr:
    return pl.col(key).cast(pl.Float64, strict=False)
