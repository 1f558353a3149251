"""Reading JSON lines fast: many lines are parsed at once, and one by one only where one of them is odd.

Whatever the way, each record gets the values that it has when it is parsed alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from ctrbench.data.lines import BROKEN, scan_lines

_BLOCK = 1 << 14  # lines that are parsed at a time
_PART = 1 << 9  # and where one of them is odd
_LONGEST = 10_000  # lines of one record

# What is left out or put right where a line cannot be read as it stands.
_CONTROL = r"[\x00-\x1f]"
_LONE_SURROGATE = r"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
_IN_AN_ARRAY = r"(?s)^\[?\s*(\{.*\})[\s,\]]*$"
_BRACKETS = r"^[\[\],\s]*$"
_INDENT = r"^\x{FEFF}?(\s*)(?:\[\s*)?\{"


def scan_json_lines(path: Path, keys: Iterable[str]) -> pl.LazyFrame:
    """The records of a plain, gzip or zstd file: `_file`, `_line`, `_text`, `_broken`, and each key's value as text.

    A record is a JSON object in a line of its own or over several lines, where `_line` is its first, also as an
    element of one array. A value is null where the key is absent; a list or object comes as its JSON text, a
    number as the shortest text for it (`1` for 1.0). Of a key that stands twice the first value counts. What is
    no JSON object is one row, `_broken`. NUL characters are left out, and blank lines.
    """
    names = list(dict.fromkeys(keys))
    schema = {"_file": pl.Categorical, "_line": pl.Int64, "_text": pl.String, BROKEN: pl.Boolean}

    def blocks(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, batch: int | None
    ) -> Iterator[pl.DataFrame]:
        for block in _blocks(path, names, _BLOCK if limit is None else min(limit, _BLOCK)):
            found = block.select(columns or [*schema, *names])
            found = found if predicate is None else found.filter(predicate)
            found = found if limit is None else found.head(limit)
            yield found
            if limit is not None:
                limit -= found.height
                if limit == 0:
                    return

    return register_io_source(blocks, schema={**schema, **dict.fromkeys(names, pl.String)}, is_pure=True)


def _blocks(path: Path, keys: Sequence[str], size: int = _BLOCK) -> Iterator[pl.DataFrame]:
    records = _Records(keys)
    waiting: list[pl.DataFrame] = []
    for lines in scan_lines(path).select("_line", "_text").collect_batches(maintain_order=True):
        waiting.append(lines)
        if sum(map(len, waiting)) >= size:
            for part in pl.concat(waiting).iter_slices(size):
                yield _named(records.read(part), path)
            waiting = []
    if waiting:
        yield _named(records.read(pl.concat(waiting)), path)
    yield _named(records.end(), path)


def _named(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    return rows.with_columns(pl.lit(path.name, dtype=pl.Categorical).alias("_file"))


class _Records:
    """Turns consecutive lines into records; `_open` holds the lines of one that may go on."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._schema = dict.fromkeys(keys, pl.String())
        self._open = pl.DataFrame(schema={"_line": pl.Int64, "_text": pl.String})
        self._start: str | None = None
        self._several = False  # whether a record of several lines was found

    def read(self, lines: pl.DataFrame) -> pl.DataFrame:
        """`_line`, `_text`, `_broken` and values of the records that end in these lines."""
        if self._start is None:
            indent = lines["_text"].str.extract(_INDENT).drop_nulls().head(1).to_list()
            self._start = rf"^\x{{FEFF}}?{re.escape(indent[0])}(?:\[\s*)?\{{" if indent else None
        if self._open.is_empty():
            values = self._values(lines["_text"])
            if values is not None:
                return self._rows(lines, values)
        if len(lines) > _PART and not self._several:
            return pl.concat([self.read(part) for part in lines.iter_slices(_PART)])
        return self._read_odd(lines, last=False)

    def end(self) -> pl.DataFrame:
        """The record that was waiting for more lines."""
        if self._open.is_empty():
            return self._broken(self._open)
        return self._read_odd(self._open.clear(), last=True)

    def _read_odd(self, lines: pl.DataFrame, *, last: bool) -> pl.DataFrame:
        """Lines that are objects of their own, then what the others are when they are put together."""
        rows = self._read_each(pl.concat([self._open, lines])).with_columns(_number_of_record(self._start))
        odd = rows.filter(BROKEN)
        self._open = self._open.clear()
        if not last and rows.height and rows.item(-1, BROKEN):
            tail = odd.filter(pl.col("_record") == pl.col("_record").last())
            if tail.height < _LONGEST:
                self._open = tail.select("_line", "_text")
                odd = odd.head(-tail.height)
        texts = pl.col("_text").str.join("\n")
        whole = self._read_each(odd.group_by("_record", maintain_order=True).agg(pl.col("_line").first(), texts))
        self._several |= whole.height < odd.height and not whole[BROKEN].all()
        whole = whole.filter(~pl.col("_text").str.contains(_BRACKETS))
        return pl.concat([rows.filter(~pl.col(BROKEN)).drop("_record"), whole]).sort("_line")

    def _read_each(self, lines: pl.DataFrame) -> pl.DataFrame:
        """A row for each text that is not blank, in order."""
        lines = lines.with_columns(_repaired(pl.col("_text")).alias("_json")).filter(pl.col("_json") != "")
        likely = pl.col("_json").str.starts_with("{") & pl.col("_json").str.json_path_match("$").is_not_null()
        return pl.concat([self._halve(lines.filter(likely)), self._broken(lines.filter(~likely))]).sort("_line")

    def _halve(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Reads lines that are likely to be objects, in ever smaller parts where some are not."""
        values = self._values(lines["_json"])
        if values is not None:
            return self._rows(lines, values)
        if len(lines) == 1:
            return self._broken(lines)
        half = len(lines) // 2
        return pl.concat([self._halve(lines.head(half)), self._halve(lines.tail(-half))])

    def _values(self, texts: pl.Series) -> pl.DataFrame | None:
        """Values of texts of which each is one JSON object; else None."""
        if texts.is_empty():
            return pl.DataFrame(schema=self._schema)
        try:
            values = pl.read_ndjson(texts.str.join("\n").cast(pl.Binary).item(), schema=self._schema)
        except pl.exceptions.PolarsError:
            return None
        if values.height != len(texts):
            return None
        return values.with_columns(pl.all().str.replace_all("\0", "", literal=True))

    def _rows(self, lines: pl.DataFrame, values: pl.DataFrame) -> pl.DataFrame:
        return lines.select("_line", "_text", pl.lit(value=False).alias(BROKEN)).hstack(values)

    def _broken(self, lines: pl.DataFrame) -> pl.DataFrame:
        nothing = (pl.lit(None, dtype=pl.String).alias(key) for key in self._schema)
        return lines.select("_line", "_text", pl.lit(value=True).alias(BROKEN), *nothing)


def _repaired(text: pl.Expr) -> pl.Expr:
    """As the parser wants it: no byte order mark, raw control character, half a character, or comma behind."""
    plain = text.str.replace_all("\0", "", literal=True).str.replace_all(_CONTROL, " ")
    plain = plain.str.replace_all(_LONE_SURROGATE, "${1}").str.strip_chars("\ufeff ")
    return plain.str.replace(_IN_AN_ARRAY, "${1}")


def _number_of_record(start: str | None) -> pl.Expr:
    """Which record a line is of: a broken start of one goes on, up to the next start or a line that is whole."""
    if start is None:
        return pl.int_range(pl.len()).alias("_record")
    place, starts = pl.int_range(pl.len()), pl.col("_text").str.contains(start)
    opened = pl.when(pl.col(BROKEN) & starts).then(place).forward_fill().fill_null(-1)
    closed = pl.when(~pl.col(BROKEN)).then(place).forward_fill().fill_null(-1)
    goes_on = pl.col(BROKEN) & ~starts & (opened > closed)
    return (~goes_on).cum_sum().alias("_record")
