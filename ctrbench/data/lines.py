"""Reading text files line by line, with polars, so that every bad row can be named by file and line.

Columns that start with an underscore belong to the framework: `_file` and `_line` (1 is the first) say where
a row stands, `_text` is the line itself. They are never stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import polars as pl

from ctrbench.data.problems import EXAMPLES, Problems, Table
from ctrbench.errors import DataError

BROKEN_JSON = "broken JSON line"
_SHOWN = 120  # characters of a bad line that a message shows


@contextmanager
def reading(path: Path, advice: str = "check it, or download it again") -> Iterator[None]:
    """Turn any failure to read `path` (absent, truncated, not UTF-8) into one sentence that ends in `advice`."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read ({detail}): {advice}") from error


def scan_lines(path: Path, encoding: Literal["utf-8", "latin-1"] = "utf-8") -> pl.LazyFrame:
    """The non-empty lines of a plain or gzip file, as `_file`, `_line`, `_text`.

    A latin-1 file is read whole. Raises what `reading` turns into a `DataError`, when it is collected.
    """
    if encoding == "utf-8":
        lines = pl.scan_lines(path, name="_text", row_index_name="_line", row_index_offset=1)
    else:
        with reading(path):
            text = path.read_text(encoding).split("\n")
        lines = pl.LazyFrame({"_text": text}).with_row_index("_line", offset=1)
    return lines.filter(pl.col("_text").str.len_bytes() > 0).select(
        pl.lit(path.name).alias("_file"), pl.col("_line").cast(pl.Int64), "_text"
    )


def scan_json_lines(path: Path, keys: Iterable[str]) -> pl.LazyFrame:
    """`scan_lines`, and each key's value as text: null where it is absent or the line is not JSON.

    A list or object comes as its JSON text. Every line is parsed as a whole, so a broken one yields no value.
    """
    values = [pl.col("_text").str.json_path_match(f"$['{key}']").alias(key) for key in keys]
    return scan_lines(path).with_columns(values)


def take_good(
    path: Path,
    rows: pl.LazyFrame,
    checks: Mapping[str, pl.Expr],
    problems: Problems,
    *,
    domain: str | None = None,
    table: Table = "interactions",
    json: bool = False,
) -> pl.DataFrame:
    """Read the rows of `path`, and leave out those for which a check is true or null.

    They are counted by the first such reason and by domain: that of the column `domain`, or else `domain`.
    `json`: a bad line that is no JSON at all gets that as its reason. Raises `DataError` when the file cannot
    be read, holds no line, or (strict) for the first bad row.
    """
    bad = pl.any_horizontal(check.fill_null(True) for check in checks.values())
    with reading(path):
        frame = rows.with_columns(pl.when(bad).then("_text").alias("_text")).collect(engine="streaming").rechunk()
    if frame.is_empty():
        raise DataError(f"{path} is empty: check it, or download it again")
    rejected = frame.filter(pl.col("_text").is_not_null())
    if json:
        checks = {BROKEN_JSON: pl.col("_text").str.json_path_match("$").is_null(), **checks}
    _count(rejected, checks, problems, domain, table)
    return frame.filter(pl.col("_text").is_null()).drop("_text")


def _count(
    rejected: pl.DataFrame,
    checks: Mapping[str, pl.Expr],
    problems: Problems,
    domain: str | None,
    table: Table,
) -> None:
    reasons = [pl.when(check.fill_null(True)).then(pl.lit(reason)) for reason, check in checks.items()]
    if "domain" not in rejected.columns:
        rejected = rejected.with_columns(pl.lit(domain, dtype=pl.String).alias("domain"))
    rejected = rejected.with_columns(pl.coalesce(reasons).alias("_reason"))
    for (reason, where), group in rejected.group_by("_reason", "domain", maintain_order=True):
        problems.add(str(reason), group.height, domain=where, examples=examples(group), table=table)


def examples(rows: pl.DataFrame, text: pl.Expr | None = None) -> list[str]:
    """The first few rows as `file:line: text`; without `_file` and `_line`, as text alone."""
    first = rows.head(EXAMPLES).rechunk()
    shown = first.select((pl.col("_text") if text is None else text).cast(pl.String).alias("_text"))
    told = [" ".join((value or "").split())[:_SHOWN] for value in shown["_text"]]
    if "_file" not in rows.columns:
        return told
    return [f"{file}:{line}: {text}" for file, line, text in zip(first["_file"], first["_line"], told, strict=True)]
