"""The interactions: every row's domain, user, item, time, label or rating, and features."""

from __future__ import annotations

import polars as pl

from ctrbench.api import DataError, Problems
from ctrbench_plugins.datasets.table_file.described import domains, with_users
from ctrbench_plugins.datasets.table_file.good import features, good_rows
from ctrbench_plugins.datasets.table_file.tables import INTERACTIONS, Opened
from ctrbench_plugins.datasets.table_file.times import Clock, clock
from ctrbench_plugins.datasets.table_file.values import (
    LABEL_ADVICE,
    LISTED_ADVICE,
    as_domain,
    as_id,
    as_label,
    as_number,
)

NO_LABEL = "label is neither 0 nor 1"
NOT_LISTED = "label is in neither list"
NO_RATING = "rating is not a number"
NO_TIME = "time is missing, or not written as the others"

_ADVICE = {
    NO_LABEL: LABEL_ADVICE,
    NOT_LISTED: LISTED_ADVICE,
    NO_TIME: 'say how times are written, as in [time] format = "%d.%m.%Y"',
}
_MISSING = "_missing"  # whether a row has no label or rating at all
_SAMPLE = 1_000  # times that are looked at to learn how they are written


def interactions(opened: Opened, problems: Problems) -> pl.DataFrame:
    """Rows `domain, user, item, time` (whole seconds), `label` or `rating`, and the users' and rows' features."""
    times = clock_of(opened)
    target, column, reason, value = _target(opened)
    made = {
        "user": as_id(opened.spec.columns.user, opened.dtype("columns.user")),
        "item": as_id(opened.spec.columns.item, opened.dtype("columns.item")),
        "time": times.seconds,
        target: value,
        _MISSING: pl.col(column).is_null(),
        **features(opened, INTERACTIONS, ("user", "context")),
    }
    checks = {
        "row without a user": pl.col("user").is_null(),
        "row without an item": pl.col("item").is_null(),
        NO_TIME: pl.col("time").is_null(),
        f"{target} is missing": pl.col(_MISSING),
        reason: pl.col(target).is_null() & ~pl.col(_MISSING),
        "row without a domain": pl.col("domain").is_null(),
    }
    domain = opened.spec.columns.domain
    joined = None
    if domain.column is None:
        made["domain"] = as_domain(domain, None)
    elif opened.at["columns.domain"] == INTERACTIONS:
        made["domain"] = as_domain(domain, opened.dtype("columns.domain"))
    else:
        joined = domains(opened)
    rows = good_rows(opened, INTERACTIONS, made, checks, problems, joined=joined, advice=_ADVICE)
    rows, understood = times.settle(rows.drop(_MISSING), str(opened.toml))
    problems.add(f"times in column {times.column!r} are {understood}", rows.height, error=False)
    return with_users(opened, rows, problems)


def clock_of(opened: Opened) -> Clock:
    """How the interactions' times are read, to judge by the first rows that have one."""
    column, file = opened.spec.columns.time, opened.tables[INTERACTIONS].files[0]
    rows = file.scan([column]).select(column)
    with file.reading():
        sample = rows.drop_nulls().head(_SAMPLE).collect().to_series()
        if sample.is_empty() and rows.head(1).collect().is_empty():
            raise DataError(f"{file.path} holds no row: check it, or name another file in {opened.toml}")
    if sample.is_empty():
        raise DataError(f"{file.path}: the column {column!r} holds no time: name another in {opened.toml}")
    return clock(column, sample, opened.spec.time, str(opened.toml))


def check_target(opened: Opened) -> None:
    """Raise `DataError` where most labels or ratings that are there cannot be read."""
    _, column, reason, value = _target(opened)
    files = opened.tables[INTERACTIONS].files
    there = pl.concat([file.scan([column]) for file in files]).filter(pl.col(column).is_not_null())
    unread = pl.col(column).filter(value.is_null())
    with files[0].reading():
        facts = there.select(pl.len(), unread.len().alias("unread"), unread.first().cast(pl.String).alias("seen"))
        count, bad, seen = facts.collect(engine="streaming").row(0)
    if bad * 2 > count:
        advice = _ADVICE.get(reason, f"name another column in {opened.toml}")
        raise DataError(f"{bad:,} of {count:,} values of column {column!r}: {reason}, as {seen!r} shows; {advice}")


def _target(opened: Opened) -> tuple[str, str, str, pl.Expr]:
    """What is to be predicted, its column, why a value of it may be none, and the values."""
    columns = opened.spec.columns
    if columns.label is not None:
        label = columns.label
        reason = NO_LABEL if label.positive is None and label.negative is None else NOT_LISTED
        return "label", label.column, reason, as_label(label, opened.dtype("columns.label"))
    assert columns.rating is not None  # the one or the other
    decimal = opened.tables[INTERACTIONS].files[0].decimal
    return "rating", columns.rating, NO_RATING, as_number(columns.rating, opened.dtype("columns.rating"), decimal)
