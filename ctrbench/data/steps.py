"""The steps from a source's interactions to canonical rows, each counted per domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

from ctrbench.data.lines import examples
from ctrbench.data.problems import Problems
from ctrbench.data.store import Step
from ctrbench.errors import DataError, PluginError

INCOMPLETE = "row without domain, user, item, time, or its rating or label"
UNKNOWN_ITEM = "unknown item: no row in the items table"
REPEATED_ITEM = "item described again: the first description stands"
REPEATED_ROW = "row repeated (domain, user, item, time): the first stands"

RESERVED = ("own", "general", "mean", "oracle", "row_id", "domain", "label")
"""Names of heads; a head that scores as a domain does has the domain's name, so no domain has one of these."""

_WHERE = ("_file", "_line")
_TOLD = pl.concat_str(pl.lit("user "), "user", pl.lit(", item "), "item", pl.lit(", time "), "time", ignore_nulls=True)


class Counted:
    """Interactions, and how many of them each step left."""

    def __init__(self, rows: pl.DataFrame, domains: Sequence[str], problems: Problems) -> None:
        self.rows = rows
        self.problems = problems
        self.domains = tuple(domains)
        self.steps = [Step(name="read", rows={d: n + problems.bad_rows(d) for d, n in self.counts().items()})]

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
            self.problems.add(reason, group.height, domain=domain, examples=examples(group, _TOLD), error=error)


def require(frame: pl.LazyFrame, columns: Sequence[str], what: str) -> pl.DataFrame:
    """Read a source's table; `PluginError` when it lacks a column, `DataError` when it cannot be read."""
    found = frame.collect_schema().names()
    missing = [column for column in columns if column not in found]
    if missing:
        raise PluginError(f"the source's {what} have no column {missing[0]!r}: they have {', '.join(found)}")
    try:
        return frame.collect()
    except (OSError, pl.exceptions.ComputeError) as error:
        detail = str(error).splitlines()[0]
        raise DataError(f"the source's {what} cannot be read ({detail}): check its files") from error


def target_of(rows: pl.LazyFrame) -> str:
    """The column that labels come from: `label` where there is one, else `rating`."""
    return "label" if "label" in rows.collect_schema().names() else "rating"


def drop_incomplete(counted: Counted, needed: Sequence[str]) -> None:
    """A source that leaves bad rows out itself can say more; what it lets through is caught here."""
    floats = [column for column in needed if counted.rows.schema[column].is_float()]
    whole = pl.all_horizontal(pl.col(needed).is_not_null(), *(~pl.col(column).is_nan() for column in floats))
    counted.report(INCOMPLETE, counted.rows.filter(~whole), error=True)
    counted.keep("well-formed", whole)


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


def canonical_order(rows: pl.DataFrame, items: pl.DataFrame, domains: Sequence[str]) -> pl.DataFrame:
    """Sort by domain (canonical order), time, user, item; add `row_id`, `user_index` and `item_index`.

    Users are numbered in the order of their ids, as items are, so sorting by number is sorting by id.
    """
    users = rows.select(pl.col("user").unique().sort())
    users = users.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("user_index"))
    place = pl.col("domain").replace_strict({d: i for i, d in enumerate(domains)}, return_dtype=pl.Int32)
    rows = rows.drop(_WHERE, strict=False)
    for index in (users, items.select("item", "item_index")):
        rows = rows.join(index, on=index.columns[0], how="left", maintain_order="left")
    rows = rows.sort(place, "time", "user_index", "item_index", maintain_order=True)
    rows = rows.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("row_id"))
    first = ["row_id", "domain", "user", "user_index", "item", "item_index", "time", "label"]
    return rows.select(*first, pl.exclude(first))


def domain_order(rows: pl.DataFrame, declared: Sequence[str] | None) -> tuple[str, ...]:
    """Domains that have rows, in the source's order, else in the order of first appearance."""
    found = rows["domain"].drop_nulls().unique(maintain_order=True).to_list()
    for domain in found:
        if domain in RESERVED:
            raise DataError(
                f"the data has a domain named {domain!r}, but {', '.join(RESERVED)} are names of heads and columns:"
                " give the domain another name"
            )
    if declared is None:
        return tuple(found)
    unknown = [domain for domain in found if domain not in declared]
    if unknown:
        raise PluginError(f"the source has rows of domain {unknown[0]!r}, which it does not declare")
    return tuple(domain for domain in declared if domain in found)
