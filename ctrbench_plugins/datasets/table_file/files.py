"""Files of a user's own, as lazy frames of their columns: CSV and TSV, Parquet, JSON lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from ctrbench.api import BROKEN, DataError, reading, scan_json_lines, suggest
from ctrbench_plugins.datasets.table_file.csv_file import LONG, csv_header, scan_csv
from ctrbench_plugins.datasets.table_file.spec import Csv, Files

Format = Literal["csv", "parquet", "json"]
_ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
}
_PACKED = (".gz", ".zst")
_OURS = {"_file", "_line", "_text", BROKEN, LONG}
_SAMPLE = 1_000  # lines of a JSON file whose keys are its columns


@dataclass(frozen=True)
class OwnFile:
    """One file: where it is, how it is written, its columns, in order, with their types, and what to do if it cannot
    be read."""

    path: Path
    format: Format
    columns: dict[str, pl.DataType]
    csv: Csv
    advice: str

    @property
    def decimal(self) -> str:
        """What stands before a number's fraction, where it is written as text."""
        return self.csv.decimal if self.format == "csv" else "."

    @property
    def marks(self) -> tuple[str, ...]:
        """The columns that say what is wrong with a row as a whole."""
        return {"csv": (LONG,), "json": (BROKEN,), "parquet": ()}[self.format]

    def scan(self, wanted: Sequence[str]) -> pl.LazyFrame:
        """The columns `wanted`, as text where the file is text, after `_file`, `_line`, `_text` and `marks`.

        Blank is null. `_line` is a line of a text file, a row of a Parquet file; 1 is the first. `_text` shows the row.
        """
        if self.format == "csv":
            rows = scan_csv(self.path, self.csv, list(self.columns), wanted)
        elif self.format == "json":
            rows = scan_json_lines(self.path, wanted)
        else:
            rows = pl.scan_parquet(self.path, row_index_name="_line", row_index_offset=1, glob=False)
        texts = [name for name in wanted if self.columns[name] == pl.String]
        return rows.with_columns(pl.col(name).str.strip_chars().replace("", None) for name in texts).select(
            pl.lit(self.path.name, dtype=pl.Categorical).alias("_file"),
            pl.col("_line").cast(pl.Int64),
            pl.col("_text") if self.format == "json" else self._shown(wanted),
            *self.marks,
            *wanted,
        )

    def _shown(self, wanted: Sequence[str]) -> pl.Expr:
        plain = [name for name in wanted if has_text(self.columns[name])]
        values = [pl.format("{}={}", pl.lit(name), pl.col(name).cast(pl.String).fill_null("")) for name in plain]
        return pl.concat_str(values or [pl.lit("")], separator=", ").alias("_text")

    def reading(self) -> AbstractContextManager[None]:
        """Turns a file that cannot be read, whenever that is found out, into a `DataError` that says what to do."""
        return reading(self.path, self.advice)


def has_text(dtype: pl.DataType) -> bool:
    """Whether values of a type can be written out."""
    return not dtype.is_nested() and dtype not in (pl.Binary, pl.Duration, pl.Object)


def format_of(path: Path) -> Format | None:
    """How a file is written, by its ending; `.gz` and `.zst` may follow."""
    endings = [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] in _PACKED:
        endings.pop()
    return _ENDINGS.get(endings[-1]) if endings else None


def find_files(files: Files, toml: Path) -> list[Path]:
    """The files that the TOML names, in its order, a pattern's sorted by name; `DataError` where there is none."""
    found: list[Path] = []
    for name in files.files:
        given = Path(name).expanduser()
        path = given if given.is_absolute() else toml.parent / given
        if path.is_dir():
            raise DataError(f'{toml} names {path}, which is a folder: name the files in it, as in "{name}/*.parquet"')
        if path.is_file():
            found.append(path)
            continue
        anchor = Path(path.anchor)
        matches = sorted(match for match in anchor.glob(str(path.relative_to(anchor))) if match.is_file())
        if not matches:
            there = [near.name for near in path.parent.glob("*") if format_of(near)]
            raise DataError(f"{toml} names {path}, which is not there.{suggest(path.name, there) if there else ''}")
        found += [match for match in matches if match not in found]
    return found


def open_file(path: Path, csv: Csv, advice: str) -> OwnFile:
    """Look at a file's columns. `advice`: what to do where a CSV file cannot be read. Raises `DataError`."""
    kind = format_of(path)
    if kind is None:
        raise DataError(
            f"{path} has an unknown ending: it should be one of {', '.join(_ENDINGS)}, or that and .gz or .zst"
        )
    try:
        empty = path.stat().st_size == 0
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    if empty:
        raise DataError(f"{path} is empty: check it, or name another file")
    advice = advice if kind == "csv" else "check it, or name another file"
    with reading(path, advice):
        if kind == "csv":
            columns: dict[str, pl.DataType] = {name: pl.String() for name in csv_header(path, csv)}
        elif kind == "json":
            columns = {name: pl.String() for name in _keys(path)}
        else:
            columns = dict(pl.scan_parquet(path, glob=False).collect_schema())
    for name in _OURS & columns.keys():
        raise DataError(f"{path} has a column named {name!r}, as one of ctrbench's own is: rename it")
    return OwnFile(path, kind, columns, csv, advice)


def same_columns(files: Sequence[OwnFile], wanted: Sequence[str]) -> None:
    """Raise `DataError` where a file lacks a wanted column that the first one has, or has it with another type."""
    first, *others = files
    for other in others:
        for name in wanted:
            if name not in other.columns:
                raise DataError(
                    f"{other.path} has no column {name!r}, which {first.path.name} has: add it, or leave one out"
                )
            if other.columns[name] != first.columns[name]:
                raise DataError(
                    f"column {name!r} is {first.columns[name]} in {first.path.name}, but {other.columns[name]} in"
                    f" {other.path}: write both the same way"
                )


def _keys(path: Path) -> list[str]:
    """The keys of the first JSON objects, in order of appearance."""
    records = scan_json_lines(path, ()).select("_text").head(_SAMPLE).collect()
    keys: dict[str, None] = {}
    for text in records["_text"]:
        try:
            value, _ = json.JSONDecoder(strict=False).raw_decode(text.lstrip("\ufeff[, \t\r\n\0"))
        except ValueError:  # the broken ones are counted when rows are read
            continue
        keys |= dict.fromkeys(value if isinstance(value, dict) else ())
    if not keys:
        start = records["_text"][0].strip()[:40] if records.height else ""
        raise DataError(f"{path} holds no JSON object (it starts {start!r}): write one per row")
    return list(keys)
