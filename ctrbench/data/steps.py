"""The steps from a source's interactions to canonical rows, each counted per domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

from ctrbench.data.lines import examples
from ctrbench.data.problems import Problems
from ctrbench.data.store import Step
from ctrbench.errors import DataError

UNKNOWN_ITEM = "unknown item: no row in the items table"
REPEATED_ITEM = "item described again: the first description stands"
REPEATED_ROW = "row repeated (domain, user, item, time): the first stands"

_WHERE = ("_file", "_line")
_TOLD = pl.format("user {}, item {}, time {}", "user", "item", "time")


class Counted:
    """Interactions, and how many of them each step left."""

    def __init__(self, rows: pl.DataFrame, domains: Sequence[str], problems: Problems) -> None:
        self.rows = rows
        self.problems = problems
        self.domains = tuple(domains)
        self.steps = [
            Step(name="read", rows={d: n + problems.bad_rows(d) for d, n in self.counts().items()}),
            Step(name="well-formed", rows=self.counts()),
        ]

    def counts(self) -> dict[str, int]:
        """Rows now, per domain."""
        found = dict(self.rows.group_by("domain").len().iter_rows())
        return {domain: found.get(domain, 0) for domain in self.domains}

    def keep(self, step: str, kept: pl.Expr) -> None:
        """Keep the rows for which `kept` is true, and count what is left."""
        self.rows = self.rows.filter(kept)
        self.steps.append(Step(name=step, rows=self.counts()))

    def report(self, reason: str, rows: pl.DataFrame, *, error: bool) -> None:
        """Add a problem per domain, for rows that are about to go."""
        for (domain,), group in rows.group_by("domain", maintain_order=True):
            self.problems.add(
                reason, group.height, domain=str(domain), examples=examples(group, _TOLD), error=error
            )


def distinct_items(items: pl.DataFrame, problems: Problems) -> pl.DataFrame:
    """One row per item, the first of each; sorted by item, with `item_index` its place."""
    first = pl.col("item").is_first_distinct()
    repeats = items.filter(~first)
    told = examples(repeats, pl.format("item {}", "item"))
    problems.add(REPEATED_ITEM, repeats.height, examples=told, error=False, table="items")
    kept = items.filter(first).drop(_WHERE, strict=False).sort("item")
    index = pl.int_range(pl.len(), dtype=pl.Int64).alias("item_index")
    return kept.select("item", index, pl.exclude("item"))


def drop_unknown_items(counted: Counted, items: pl.DataFrame) -> None:
    """The inner join on items: a row whose item is not described goes, and is reported."""
    known = pl.col("item").is_in(items["item"].implode())
    counted.report(UNKNOWN_ITEM, counted.rows.filter(~known), error=True)
    counted.keep("item known", known)


def drop_repeats(counted: Counted) -> None:
    """Of rows with one domain, user, item and time, the first stands."""
    first = pl.struct("domain", "user", "item", "time").is_first_distinct()
    counted.report(REPEATED_ROW, counted.rows.filter(~first), error=False)
    counted.keep("repeats dropped", first)


def add_labels(counted: Counted, positive_above: float, middle: Literal["negative", "drop"]) -> None:
    """`label`: 1 where the rating is above `positive_above`; a rating equal to it is negative or dropped."""
    rows = counted.rows
    if "label" not in rows.columns:
        label = (pl.col("rating") > positive_above).cast(pl.Int8).alias("label")
        rows = rows.with_columns(label)
        if middle == "drop":
            counted.rows = rows
            counted.keep("middle ratings dropped", pl.col("rating") != positive_above)
            rows = counted.rows
    counted.rows = rows.with_columns(pl.col("label").cast(pl.Int8)).drop("rating", strict=False)


def canonical_order(rows: pl.DataFrame, domains: Sequence[str]) -> pl.DataFrame:
    """Sort by domain (canonical order), time, user, item; add `row_id` and `user_index`, dense from 0."""
    place = pl.col("domain").replace_strict({d: i for i, d in enumerate(domains)}, return_dtype=pl.Int32)
    rows = rows.drop(_WHERE, strict=False).sort(place, "time", "user", "item", maintain_order=True)
    rows = rows.with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("row_id"),
        (pl.col("user").rank("dense").cast(pl.Int64) - 1).alias("user_index"),
    )
    first = ["row_id", "domain", "user", "user_index", "item", "time", "label"]
    return rows.select(*first, pl.exclude(first))


def domain_order(rows: pl.DataFrame, declared: Sequence[str] | None) -> tuple[str, ...]:
    """Domains that have rows, in the source's order, else in the order of first appearance."""
    found = rows["domain"].unique(maintain_order=True).to_list()
    if declared is None:
        return tuple(found)
    unknown = [domain for domain in found if domain not in declared]
    if unknown:
        raise DataError(f"the source has rows of domain {unknown[0]!r}, which it does not declare")
    return tuple(domain for domain in declared if domain in found)
