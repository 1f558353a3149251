"""The steps from a source's interactions to canonical rows, each counted per domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl

from ctrbench.data.history import repeats
from ctrbench.data.lines import examples
from ctrbench.data.problems import EXAMPLES, Problems
from ctrbench.data.store import Step
from ctrbench.errors import DataError, PluginError

INCOMPLETE = "row without domain, user, item, time, or its rating or label"
UNKNOWN_ITEM = "unknown item: no row in the items table"
REPEATED_ITEM = "item described again: the first description stands"
REPEATED_ROW = "row repeated (domain, user, item, time): the first stands"
MIDDLE = "rating in the middle (it equals positive_above): left out by middle=drop"

ORDER = ["domain", "time", "user_index", "item_index"]
"""Canonical order: by domain first."""

_WHERE = ("_file", "_line")
_TEXTS = ("domain", "user", "item")
_TOLD = pl.concat_str(pl.lit("user "), "user", pl.lit(", item "), "item", pl.lit(", time "), "time", ignore_nulls=True)


class Counted:
    """Interactions, and how many of them each step left.

    rows: `domain` is an Enum of `domains`, so that it sorts in their order; `item` and `user` give way to the numbers
    `item_index` and `user_index` on the way (`number_items`, `number_users`).
    ids: what those numbers stand for.
    """

    def __init__(self, rows: pl.DataFrame, domains: Sequence[str], problems: Problems) -> None:
        self.rows = rows
        self.problems = problems
        self.ids: dict[str, pl.Series] = {}
        self.set_domains(domains)
        self.steps = [Step(name="read", rows={d: n + problems.bad_rows(d) for d, n in self.counts().items()})]

    def set_domains(self, domains: Sequence[str]) -> None:
        """The names in the column `domain`, in canonical order."""
        self.domains = tuple(domains)
        self.rows = self.rows.with_columns(pl.col("domain").cast(pl.String).cast(pl.Enum(self.domains)))

    def counts(self) -> dict[str, int]:
        """Rows now, per domain."""
        found = dict(self.rows.group_by("domain").len().iter_rows())
        return {domain: found.get(domain, 0) for domain in self.domains}

    def keep(self, step: str, kept: pl.Series) -> None:
        """Keep the rows for which `kept` is true, and count what is left."""
        if not kept.all():
            self.rows = self.rows.filter(kept)
        self.steps.append(Step(name=step, rows=self.counts()))

    def report(self, reason: str, rows: pl.DataFrame, *, error: bool) -> None:
        """Add a problem per domain, for rows that are about to go."""
        for (domain,), group in rows.group_by("domain", maintain_order=True):
            told = examples(self.named(group.head(EXAMPLES)), _TOLD)
            self.problems.add(reason, group.height, domain=domain, examples=told, error=error)

    def named(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The same few rows, with ids again."""
        return rows.with_columns(ids.gather(rows[f"{name}_index"]).alias(name) for name, ids in self.ids.items())


def require(frame: pl.LazyFrame, columns: Sequence[str], what: str) -> pl.DataFrame:
    """Read a source's table; `PluginError` when it lacks a column, `DataError` when it cannot be read."""
    if not isinstance(frame, pl.LazyFrame):
        raise PluginError(f"the source's {what} are a {type(frame).__name__}, not a polars LazyFrame")
    found = frame.collect_schema()
    missing = [column for column in columns if column not in found]
    if missing:
        raise PluginError(f"the source's {what} have no column {missing[0]!r}: they have {', '.join(found)}")
    for column in columns:
        if not _fits(column, found[column]):
            kinds = "texts" if column in _TEXTS else "numbers"
            raise PluginError(f"the source's {what} have a column {column!r} of {found[column]}, not of {kinds}")
    try:
        return frame.collect()
    except (OSError, pl.exceptions.ComputeError) as error:
        detail = str(error).splitlines()[0]
        raise DataError(f"the source's {what} cannot be read ({detail}): check its files") from error


def _fits(column: str, kind: pl.DataType) -> bool:
    if column in _TEXTS:
        return kind in (pl.String, pl.Categorical, pl.Enum, pl.Null)
    return kind.is_numeric() or kind in (pl.Boolean, pl.Null)


def target_of(rows: pl.LazyFrame) -> str:
    """The column that labels come from: `label` where there is one, else `rating`."""
    return "label" if "label" in rows.collect_schema().names() else "rating"


def drop_incomplete(counted: Counted, needed: Sequence[str]) -> None:
    """A source that leaves bad rows out itself can say more; what it lets through is caught here."""
    floats = [column for column in needed if counted.rows.schema[column].is_float()]
    whole = pl.all_horizontal(pl.col(needed).is_not_null(), *(~pl.col(column).is_nan() for column in floats))
    kept = counted.rows.select(whole).to_series()
    counted.report(INCOMPLETE, counted.rows.filter(~kept), error=True)
    counted.keep("well-formed", kept)


def distinct_items(items: pl.DataFrame, problems: Problems) -> pl.DataFrame:
    """One row per item, the first of each; sorted by item, with `item_index` its place."""
    first = pl.col("item").is_first_distinct()
    repeats = items.filter(~first)
    told = examples(repeats, pl.format("item {}", "item"))
    problems.add(REPEATED_ITEM, repeats.height, examples=told, error=False, table="items")
    kept = items.filter(first).drop(_WHERE, strict=False).sort("item")
    index = pl.int_range(pl.len(), dtype=pl.Int64).alias("item_index")
    return kept.select("item", index, pl.exclude("item"))


def number_items(counted: Counted, items: pl.DataFrame) -> None:
    """The inner join on items: `item_index` for `item`; a row whose item is not described goes, and is reported."""
    index = _numbers(counted.rows, items["item"])
    known = index.is_not_null()
    counted.report(UNKNOWN_ITEM, counted.rows.filter(~known), error=True)
    _replace_ids(counted, index, items["item"])
    counted.keep("item known", known)


def number_users(counted: Counted) -> None:
    """`user_index` for `user`: in the order of their ids, as items are, so sorting by number is sorting by id."""
    users = counted.rows.select(pl.col("user").unique().sort()).to_series()
    _replace_ids(counted, _numbers(counted.rows, users), users)


def _numbers(rows: pl.DataFrame, ids: pl.Series) -> pl.Series:
    """For each row the place of its id in `ids`, which has each once; null where it is not there."""
    places = ids.to_frame().with_columns(pl.int_range(pl.len(), dtype=pl.UInt32).alias(f"{ids.name}_index"))
    return rows.select(ids.name).join(places, on=ids.name, how="left", maintain_order="left").to_series(1)


def _replace_ids(counted: Counted, index: pl.Series, ids: pl.Series) -> None:
    counted.rows = counted.rows.drop(ids.name).with_columns(index)
    counted.ids[ids.name] = ids


def drop_repeats(counted: Counted) -> None:
    """Of rows with one domain, user, item and time, the first stands. Leaves the rows in canonical order."""
    counted.rows = counted.rows.with_row_index("_place").sort(ORDER, maintain_order=True)
    again = pl.Series(repeats(counted.rows, ORDER))
    counted.report(REPEATED_ROW, counted.rows.filter(again).sort("_place"), error=False)
    counted.rows = counted.rows.drop("_place")
    counted.keep("repeats dropped", ~again)


def add_labels(counted: Counted, positive_above: float, middle: Literal["negative", "drop"]) -> None:
    """`label`: 1 where the rating is above `positive_above`; a rating equal to it is negative or dropped."""
    if "label" not in counted.rows.columns:
        counted.rows = counted.rows.with_columns((pl.col("rating") > positive_above).alias("label"))
        if middle == "drop":
            in_the_middle = counted.rows["rating"] == positive_above
            counted.report(MIDDLE, counted.rows.filter(in_the_middle), error=False)
            counted.keep("middle ratings dropped", ~in_the_middle)
    counted.rows = counted.rows.with_columns(pl.col("label").cast(pl.Int8)).drop("rating", strict=False)


def canonical_order(counted: Counted) -> tuple[pl.DataFrame, pl.Series]:
    """Rows by domain (canonical order), time, user, item, with their `row_id`; and their users' ids, numbered anew."""
    counted.rows = counted.rows.drop(_WHERE, strict=False).sort(ORDER, maintain_order=True)
    users = counted.ids["user"]
    present = counted.rows.select(pl.col("user_index").unique().sort()).to_series()
    if len(present) < len(users):
        number = np.empty(len(users), dtype=np.uint32)
        number[present.to_numpy()] = np.arange(len(present))
        renumbered = pl.Series("user_index", number[counted.rows["user_index"].to_numpy()])
        counted.rows, users = counted.rows.with_columns(renumbered), users.gather(present)
    return counted.rows.with_columns(pl.int_range(pl.len(), dtype=pl.UInt32).alias("row_id")), users


def domain_order(rows: pl.DataFrame, declared: Sequence[str] | None) -> tuple[str, ...]:
    """Domains that have rows, in the source's order, else in the order of first appearance."""
    found = rows["domain"].drop_nulls().unique(maintain_order=True).to_list()
    if declared is None:
        return tuple(found)
    unknown = [domain for domain in found if domain not in declared]
    if unknown:
        raise PluginError(f"the source has rows of domain {unknown[0]!r}, which it does not declare")
    return tuple(domain for domain in declared if domain in found)
