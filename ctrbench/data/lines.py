"""Reading text files line by line, with polars, so that every bad row can be named by file and line.

Columns that start with an underscore belong to the framework: `_file` and `_line` (1 is the first) say where
a row stands, `_text` is the line itself, `_broken` says that it is no JSON object. They are never stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import polars as pl

from ctrbench.data.problems import EXAMPLES, Problems, Table
from ctrbench.data.progress import Stage
from ctrbench.errors import DataError

BROKEN = "_broken"
"""The column of `scan_json_lines` (Boolean) that is true where a line is no JSON object."""
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
    """The non-empty lines of a plain, gzip or zstd file, as `_file` (Categorical), `_line` (Int64), `_text`.

    Lines count from 1, blank ones included. A latin-1 file is read whole. Raises what `reading` turns into a
    `DataError`, when it is collected.
    """
    if encoding == "utf-8":
        lines = pl.scan_lines(path, name="_text", row_index_name="_line", row_index_offset=1)
    else:
        with reading(path):
            text = path.read_text(encoding).split("\n")
        lines = pl.LazyFrame({"_text": text}).with_row_index("_line", offset=1)
    return lines.filter(pl.col("_text").str.len_bytes() > 0).select(
        pl.lit(path.name, dtype=pl.Categorical).alias("_file"), pl.col("_line").cast(pl.Int64), "_text"
    )


def take_good(
    path: Path,
    rows: pl.LazyFrame,
    checks: Mapping[str, pl.Expr],
    problems: Problems,
    *,
    domain: str | None = None,
    table: Table = "interactions",
) -> pl.DataFrame:
    """Read the rows of `path`, and leave out those for which a check is true or null.

    rows: with `_text`, as `scan_lines` and `scan_json_lines` give them; checks: reason -> Boolean expression over their
    columns. What comes back has neither `_text` nor `_broken`, in the order of the file. Bad rows are counted by the
    first such reason and by domain: that of the column `domain`, or else `domain`. A row of `scan_json_lines` that is
    `_broken` has that as its reason. Raises `DataError` when the file cannot be read, holds no line, or (strict) for
    the first bad row.
    """
    if BROKEN in rows.collect_schema():
        checks = {BROKEN_JSON: pl.col(BROKEN), **checks}
    rejected = _Rejected(checks, domain)
    good, read = [], 0
    with reading(path):
        for block in rows.with_columns(rejected.reason()).collect_batches(maintain_order=True):
            kept = pl.col("_reason").is_null()
            good.append(block.filter(kept).drop("_text", "_reason", BROKEN, strict=False))
            rejected.add(block.filter(~kept))
            read += block.height
            problems.tell(Stage(f"reading {path.name}", read))
    if not any(block.height for block in good) and not rejected.counts:
        raise DataError(f"{path} is empty: check it, or download it again")
    rejected.report(problems, table)
    return pl.concat(good, rechunk=True)


class _Rejected:
    """Bad rows, block after block: how many for each reason and domain, and the first few."""

    def __init__(self, checks: Mapping[str, pl.Expr], domain: str | None) -> None:
        self._checks = checks
        self._domain = domain
        self.counts: dict[tuple[str, str | None], int] = {}
        self._examples: dict[tuple[str, str | None], list[str]] = {}

    def reason(self) -> pl.Expr:
        """`_reason`: which check a row fails first; null for a good row."""
        told = pl.Enum(list(self._checks))
        failed = (pl.when(check.fill_null(True)).then(pl.lit(name, told)) for name, check in self._checks.items())
        return pl.coalesce(*failed).alias("_reason")

    def add(self, rows: pl.DataFrame) -> None:
        """Count rows that have a `_reason`."""
        if "domain" not in rows.columns:
            rows = rows.with_columns(pl.lit(self._domain, dtype=pl.String).alias("domain"))
        for (reason, domain), group in rows.group_by("_reason", "domain", maintain_order=True):
            key = str(reason), None if domain is None else str(domain)
            self.counts[key] = self.counts.get(key, 0) + group.height
            told = self._examples.setdefault(key, [])
            told += examples(group.head(EXAMPLES - len(told)))

    def report(self, problems: Problems, table: Table) -> None:
        """Add what was counted, in order of appearance."""
        for (reason, domain), count in self.counts.items():
            problems.add(reason, count, domain=domain, examples=self._examples[reason, domain], table=table)


def examples(rows: pl.DataFrame, text: pl.Expr | None = None) -> list[str]:
    """The first three rows as `file:line: text`; without `_file` and `_line`, as text alone.

    text: what to show of a row; its `_text` by default. For `Problems.add`.
    """
    first = rows.head(EXAMPLES).rechunk()
    shown = first.select((pl.col("_text") if text is None else text).cast(pl.String).alias("_text"))
    told = [" ".join((value or "").split())[:_SHOWN] for value in shown["_text"]]
    if "_file" not in rows.columns:
        return told
    return [f"{file}:{line}: {text}" for file, line, text in zip(first["_file"], first["_line"], told, strict=True)]
