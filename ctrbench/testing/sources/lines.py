"""Raw files of text without the lines of some rows, whatever their format is."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

Line = tuple[int, int]
"""Number of the file, number of the line."""
_FINER = rb"(\d{3}){0,3}"
"""Seconds may be written as milliseconds, microseconds or nanoseconds."""


def without_rows(files: Sequence[Path], rows: pl.DataFrame) -> None:
    """Take the lines out of `files`, plain or gzip, that hold user and item of one of `rows` (`user, item, time`).

    Where some of these lines hold the row's time, too, only they go. Files that are no text stay as they are.
    """
    texts = [_read(file).split(b"\n") for file in files]
    gone = set(_lines_of(texts, rows))
    for place, file in enumerate(files):
        left = [line for number, line in enumerate(texts[place]) if (place, number) not in gone]
        if len(left) < len(texts[place]):
            data = b"\n".join(left)
            file.write_bytes(gzip.compress(data, mtime=0) if file.suffix == ".gz" else data)


def _read(file: Path) -> bytes:
    """The text of a file; none of one that holds no text."""
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return b"" if b"\0" in data else data


def _lines_of(texts: Sequence[Sequence[bytes]], rows: pl.DataFrame) -> Iterator[Line]:
    whole = rows.drop_nulls().with_columns(pl.col("time").cast(pl.Int64, strict=False))
    by_user = whole.drop_nulls().cast(pl.String).rows_by_key("user")
    for user, found in by_user.items():
        lines = [(place, number) for place, text in enumerate(texts) for number in _holding(text, str(user))]
        for item, time in found:
            of_row = [(place, number) for place, number in lines if _holds(texts[place][number], item)]
            of_time = [(place, number) for place, number in of_row if _holds(texts[place][number], time, _FINER)]
            yield from of_time or of_row


def _holding(text: Sequence[bytes], word: str) -> list[int]:
    return [number for number, line in enumerate(text) if _holds(line, word)]


def _holds(line: bytes, word: str, more: bytes = b"") -> bool:
    """Whether a line holds a word, and not as a part of another; `more`: what may follow it."""
    raw = word.encode()
    return raw in line and re.search(rb"(?<!\w)" + re.escape(raw) + more + rb"(?!\w)", line) is not None
