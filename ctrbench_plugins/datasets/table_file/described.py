"""What items and users are: from tables of their own, or from the interactions."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from ctrbench.api import Problems, examples
from ctrbench_plugins.datasets.table_file.good import Joined, features, good_rows
from ctrbench_plugins.datasets.table_file.tables import INTERACTIONS, ITEMS, USERS, Opened
from ctrbench_plugins.datasets.table_file.values import as_domain, as_id


def items(opened: Opened, problems: Problems) -> pl.DataFrame:
    """Rows `item` and the items' features."""
    if ITEMS in opened.tables:
        return _described(opened, ITEMS, "item", problems)
    item = as_id(opened.spec.columns.item, opened.dtype("columns.item"))
    return _distinct(opened, {"item": item, **features(opened, INTERACTIONS, ("item",))}, problems)


def with_users(opened: Opened, rows: pl.DataFrame, problems: Problems) -> pl.DataFrame:
    """The rows with the features of the users' own table, where there is one; unknown users are counted."""
    if USERS not in opened.tables:
        return rows
    users = _described(opened, USERS, "user", problems)
    first, user = pl.col("user").is_first_distinct(), pl.format("user {}", "user")
    again = users.filter(~first)
    reason = "user described again: the first description stands"
    problems.add(reason, again.height, examples=examples(again, user), error=False, table="items")
    users = users.filter(first).drop("_file", "_line")
    unknown = rows.filter(~pl.col("user").is_in(users["user"].implode()))
    reason = "row of a user without a description: its features are missing"
    problems.add(reason, unknown.height, examples=examples(unknown, user), error=False)
    return rows.join(users, on="user", how="left", maintain_order="left")


def domains(opened: Opened) -> Joined:
    """Each item's, or each user's, domain, where their own table has it."""
    table = opened.at["columns.domain"]
    key = "item" if table == ITEMS else "user"
    domain = as_domain(opened.spec.columns.domain, opened.dtype("columns.domain"))
    wanted = opened.columns_of(table)
    scans = [
        file.scan(wanted).select(_key(opened, table).alias(key), domain=domain) for file in opened.tables[table].files
    ]
    return key, pl.concat(scans).filter(pl.col(key).is_not_null()).unique(key, keep="first", maintain_order=True)


def _key(opened: Opened, table: str) -> pl.Expr:
    column = next(use.column for use in opened.uses() if use.key == f"{table}.key")
    return as_id(column, opened.dtype(f"{table}.key"))


def _described(opened: Opened, table: str, key: str, problems: Problems) -> pl.DataFrame:
    """The rows of the items' or the users' own table that name an item or user."""
    made = {key: _key(opened, table), **features(opened, table, ("user", "item"))}
    checks = {f"description without {'an' if key == 'item' else 'a'} {key}": pl.col(key).is_null()}
    return good_rows(opened, table, made, checks, problems)


def _distinct(opened: Opened, made: Mapping[str, pl.Expr], problems: Problems) -> pl.DataFrame:
    """Each item once, with the first value of each column that is not missing; other descriptions are counted."""
    table = opened.tables[INTERACTIONS]
    wanted = opened.columns_of(INTERACTIONS)
    rows = pl.concat([file.scan(wanted).select("_file", "_line", **made) for file in table.files])
    rows = rows.filter(pl.col("item").is_not_null())
    with table.files[0].reading():
        found = rows.unique(list(made), keep="first", maintain_order=True).collect(engine="streaming")
    described = [name for name in made if name != "item"]
    stands = [pl.col("_file", "_line").first(), *(pl.col(name).drop_nulls().first() for name in described)]
    kept = found.group_by("item", maintain_order=True).agg(stands)
    beside = found.join(kept, on="item", how="left", maintain_order="left")
    # a missing value is no other one: null, which the filter leaves out
    other = beside.filter(pl.any_horizontal([pl.lit(False), *(pl.col(n) != pl.col(f"{n}_right") for n in described)]))
    told = examples(other, pl.format("item {}", "item"))
    reason = "item described otherwise in a later row: the first value of each column stands"
    problems.add(reason, other.height, examples=told, error=False, table="items")
    return kept
