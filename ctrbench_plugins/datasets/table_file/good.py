"""A table's good rows with their features; the others are counted, with file and line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import polars as pl

from ctrbench.api import DataError, Problems, examples, take_good
from ctrbench_plugins.datasets.table_file.csv_file import LONG
from ctrbench_plugins.datasets.table_file.files import OwnFile
from ctrbench_plugins.datasets.table_file.spec import Placed
from ctrbench_plugins.datasets.table_file.tables import INTERACTIONS, Opened
from ctrbench_plugins.datasets.table_file.values import as_id, as_items, as_number, as_text

Counted = Literal["interactions", "items"]
Joined = tuple[str, pl.LazyFrame]
"""A key, and rows that have it."""


def features(opened: Opened, table: str, owners: Iterable[str]) -> dict[str, pl.Expr]:
    """The features that a table holds of these owners, by name."""
    return {f.name: _feature(opened, table, f) for f in opened.features_of(table) if f.of in owners}


def good_rows(
    opened: Opened,
    table: str,
    made: Mapping[str, pl.Expr],
    checks: Mapping[str, pl.Expr],
    problems: Problems,
    *,
    joined: Joined | None = None,
    advice: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """The rows of a table's files with the columns `made`, and those of `joined`, that pass all checks.

    Raises `DataError` where most rows are bad: then it is the TOML that is wrong. `advice`: what to do then, by reason.
    """
    known = len(problems.entries)
    files = opened.tables[table].files
    rows = pl.concat([_take(file, opened, table, made, checks, problems, joined) for file in files])
    bad = [problem for problem in problems.entries[known:] if problem.error]
    count = sum(problem.count for problem in bad)
    if count > rows.height:
        worst = max(bad, key=lambda problem: problem.count)
        what_to_do = (advice or {}).get(worst.reason, f"correct {opened.toml}")
        raise DataError(
            f"{count:,} of {count + rows.height:,} rows of {opened.tables[table]} cannot be used, as in"
            f" {worst.examples[0]}: {worst.reason}; {what_to_do}"
        )
    for file in files:
        _note_unread(file, opened, table, problems)
    return rows


def _feature(opened: Opened, table: str, feature: Placed) -> pl.Expr:
    made = _read(feature, opened.tables[table].files[0])
    return made.fill_null(pl.lit([], dtype=pl.List(pl.String))) if feature.kind == "history" else made


def _read(feature: Placed, file: OwnFile) -> pl.Expr:
    """A feature's values in a file; null where they cannot be read."""
    column, dtype = feature.column, file.columns[feature.column]
    if feature.kind == "history":
        return as_items(column, dtype, feature.separator)
    if feature.kind == "number":
        return as_number(column, dtype, file.decimal)
    return as_id(column, dtype) if feature.kind == "id" else as_text(column, dtype)


def _take(
    file: OwnFile,
    opened: Opened,
    table: str,
    made: Mapping[str, pl.Expr],
    checks: Mapping[str, pl.Expr],
    problems: Problems,
    joined: Joined | None,
) -> pl.DataFrame:
    rows = file.scan(opened.columns_of(table)).select("_file", "_line", "_text", *file.marks, **made)
    if joined is not None:
        rows = rows.join(joined[1], on=joined[0], how="left", maintain_order="left")
    if LONG in file.marks:
        checks = {"line with more fields than the header": pl.col(LONG), **checks}
    kind: Counted = "interactions" if table == INTERACTIONS else "items"
    with file.reading():
        try:
            return take_good(file.path, rows, checks, problems, table=kind).drop(LONG, strict=False)
        except DataError as fault:
            if isinstance(fault.__cause__, pl.exceptions.PolarsError):
                raise fault.__cause__ from None  # the file has better advice
            raise


_UNREAD = {"number": "not a number: missing", "history": "no JSON list, and no separator is given: empty"}


def _note_unread(file: OwnFile, opened: Opened, table: str, problems: Problems) -> None:
    """Count the values that a number or a history cannot be read from."""
    for feature in opened.features_of(table):
        dtype = file.columns[feature.column]
        if feature.kind not in _UNREAD or dtype.is_integer() or dtype.is_nested():
            continue
        value = pl.col(feature.column).fill_nan(None) if dtype.is_float() else pl.col(feature.column)
        rows = file.scan([feature.column]).filter(value.is_not_null() & _read(feature, file).is_null())
        with file.reading():
            odd = rows.select("_file", "_line", value.cast(pl.String)).collect(engine="streaming")
        kind: Counted = "items" if feature.of == "item" else "interactions"
        told = examples(odd, pl.col(feature.column))
        problems.add(f"{feature.name} is {_UNREAD[feature.kind]}", odd.height, examples=told, error=False, table=kind)
