"""CSV files as they come: any separator and encoding, lines with too many fields, fields with line ends in them."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ctrbench.api import ConfigError, DataError
from ctrbench_plugins.datasets.table_file.spec import Csv

LONG = "_long"
"""Whether a line has more fields than the header."""
_EXTRA = "_extra"  # what stands in a line behind the header's last column
_BLANK = 100  # blank lines that may stand before the header


def csv_header(path: Path, csv: Csv) -> list[str]:
    """The columns' names; a blank one is `column_3`. Raises `DataError` for two of one name, or for no header."""
    if csv.header is not None:
        names = list(csv.header)
    else:
        first = _scan(path, csv, schema=None, skip=_lines_before(path, csv)).head(1).collect()
        if first.is_empty():
            raise DataError(f"{path} holds no line: check it, or name another file")
        given = [(value or "").strip() for value in first.row(0)]
        names = [name or f"column_{place}" for place, name in enumerate(given, 1)]
        if all(_is_number(name) for name in given if name) and len(given) > 1:
            raise DataError(
                f"{path} has no header (its first line is {', '.join(given)[:80]!r}): add a line with their names,"
                ' or name the columns in the TOML, as in [csv] header = ["user", "item", "time"]'
            )
    for place, name in enumerate(names):
        if name in names[:place]:
            raise DataError(f"{path} has two columns named {name!r}: rename one of them")
    return names


def scan_csv(path: Path, csv: Csv, names: Sequence[str], wanted: Sequence[str]) -> pl.LazyFrame:
    """The lines as text columns `wanted`, with `_line` and `_long`; a line without any value is no row."""
    before, head = _lines_before(path, csv), 0 if csv.header is not None else 1
    rows = _scan(path, csv, schema=[*names, _EXTRA], skip=before + head)
    line = pl.col("_line") + before + head * (1 + sum(name.count("\n") for name in names))
    if _fields_span_lines(path, csv):
        breaks = pl.sum_horizontal(pl.col(*names, _EXTRA).str.count_matches("\n", literal=True).fill_null(0))
        rows = rows.with_columns(breaks.cast(pl.Int64).alias("_breaks"))
        line = line + pl.col("_breaks").cum_sum() - pl.col("_breaks")
    rows = rows.with_columns(line.alias("_line"), pl.col(_EXTRA).is_not_null().alias(LONG))
    return rows.filter(~pl.all_horizontal(pl.col(names).is_null())).select("_line", LONG, *wanted)


def separator(path: Path, csv: Csv) -> str:
    """The one that is given, else a tab where the file's name says so, else the likeliest in its first line."""
    if csv.separator is not None:
        return csv.separator
    if {".tsv", ".tab"} & {ending.lower() for ending in path.suffixes}:
        return "\t"
    before = _lines_before(path, csv)
    first = re.sub(r'"[^"]*"', "", next(iter(_first_lines(path, csv, before + 1)[before:]), ""))
    return max((",", ";", "\t", "|"), key=first.count)


def _lines_before(path: Path, csv: Csv) -> int:
    """Lines before the header, or the first row: those to skip, and blank ones after them."""
    lines = _first_lines(path, csv, csv.skip + _BLANK)[csv.skip :]
    return csv.skip + next((place for place, line in enumerate(lines) if line.strip()), 0)


def _first_lines(path: Path, csv: Csv, count: int) -> list[str]:
    if not _is_utf8(csv):
        return _text(path, csv, count).split("\n")
    lines: list[str] = pl.scan_lines(path, name="_text").head(count).collect()["_text"].to_list()
    return lines


def _is_utf8(csv: Csv) -> bool:
    return csv.encoding.lower() in ("utf-8", "utf8")


def _scan(path: Path, csv: Csv, schema: Sequence[str] | None, skip: int = 0) -> pl.LazyFrame:
    """All as text; `schema`: the columns' names, of which the last ones may be absent from the file."""
    source = path if _is_utf8(csv) else io.BytesIO(_text(path, csv).encode())
    return pl.scan_csv(
        source,
        has_header=False,
        skip_rows=skip,
        separator=separator(path, csv),
        quote_char=csv.quote or None,
        null_values=list(csv.null),
        schema=None if schema is None else dict.fromkeys(schema, pl.String()),
        infer_schema=False,
        truncate_ragged_lines=True,
        extra_columns="raise" if schema is None else "ignore",
        missing_columns=None if schema is None else "insert",
        row_index_name=None if schema is None else "_line",
        row_index_offset=1,
        glob=False,
    )


def _text(path: Path, csv: Csv, lines: int | None = None) -> str:
    """A file in another encoding, whole or its first lines."""
    open_ = gzip.open if path.suffix == ".gz" else open
    try:
        with open_(path, "rt", encoding=csv.encoding, newline="") as file:
            return file.read() if lines is None else "".join(file.readline() for _ in range(lines))
    except LookupError:
        raise ConfigError(
            f"encoding in [csv]: Python knows no encoding {csv.encoding!r}; try latin-1 or cp1252"
        ) from None
    except UnicodeError as error:
        raise DataError(f"{path} is not in the encoding {csv.encoding} ({error}): name another in [csv]") from None


def _fields_span_lines(path: Path, csv: Csv) -> bool:
    """Whether some quoted field holds a line end, so that rows are not lines."""
    if not _is_utf8(csv):
        return True  # not worth another pass: the file is in memory
    lines = pl.scan_lines(path).select(pl.len()).collect().item()
    return bool(lines != _scan(path, csv, schema=None).select(pl.len()).collect().item())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
