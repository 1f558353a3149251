"""Content hashes that depend on values alone: not on file formats, library versions, paths or times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

_SLICE = 1 << 18  # rows hashed at a time; not part of the hash
_BLOCK = 1 << 22


def file_hash(path: Path, tell: Callable[[int], None] = lambda read: None) -> str:
    """sha256 (hex) of a file's bytes; `tell` hears how many have been read since it last did."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            tell(len(block))
    return digest.hexdigest()


class ContentHash:
    """sha256 of named tables, column by column, and of `about` as canonical JSON.

    A table may come in pieces, of which one is in memory at a time; where they end does not matter. Integers are
    hashed as little-endian int64, floats as float64, text as lengths and UTF-8 bytes, lists as lengths and their
    elements; a null is neither zero nor blank.
    """

    def __init__(self, about: Any = None) -> None:
        self._digest = hashlib.sha256(json.dumps(about, sort_keys=True, ensure_ascii=False).encode())

    def passing(self, name: str, pieces: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Hand the pieces of a table on, and hash them on the way; the table counts once all have passed."""
        columns: dict[str, _ColumnHash] = {}
        with ThreadPoolExecutor(1) as another:
            hashing: Future[None] | None = None
            for frame in pieces:
                if hashing is not None:
                    hashing.result()
                hashing = another.submit(_update, columns, frame)  # while the next piece is made
                yield frame
            if hashing is not None:
                hashing.result()
        for column, found in columns.items():
            self._digest.update(f"\0{name}\0{column}\0".encode())
            self._digest.update(found.digest())

    def hexdigest(self) -> str:
        """The hash of the tables that have passed."""
        return self._digest.hexdigest()


def frames_hash(frames: Mapping[str, pl.DataFrame | Iterable[pl.DataFrame]], about: Any = None) -> str:
    """The `ContentHash` (hex) of tables, whole or in pieces."""
    content = ContentHash(about)
    for name, frame in frames.items():
        for _ in content.passing(name, [frame] if isinstance(frame, pl.DataFrame) else frame):
            pass
    return content.hexdigest()


class _ColumnHash:
    """The hash of a column. Each of its parts has a digest, so the whole does not depend on where pieces end."""

    def __init__(self) -> None:
        self._rows = 0
        self._parts = [hashlib.sha256() for _ in range(5)]

    def update(self, column: pl.Series) -> None:
        self._rows += len(column)
        for start in range(0, len(column), _SLICE):
            for digest, data in zip(self._parts, _parts(column.slice(start, _SLICE)), strict=False):
                digest.update(data)

    def digest(self) -> bytes:
        whole = hashlib.sha256(str(self._rows).encode())
        for part in self._parts:
            whole.update(part.digest())
        return whole.digest()


def _update(columns: dict[str, _ColumnHash], frame: pl.DataFrame) -> None:
    for column in frame.columns:
        columns.setdefault(column, _ColumnHash()).update(frame[column])


def _parts(column: pl.Series) -> list[bytes]:
    """Which values are there, how long they are, and what they are."""
    present = column.is_not_null().to_numpy().tobytes()
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype == pl.List:
        lengths = _numbers(column.list.len().fill_null(0).cast(pl.Int64))
        return [present, lengths, *_parts(column.explode(empty_as_null=False, keep_nulls=False))]
    if column.dtype == pl.String:
        return [present, _numbers(column.str.len_bytes().fill_null(0).cast(pl.Int64)), _text(column)]
    kind = pl.Float64 if column.dtype.is_float() else pl.Int64
    return [present, _numbers(column.cast(kind).fill_null(0))]


def _numbers(column: pl.Series) -> bytes:
    values = column.to_numpy()
    return values.astype(np.dtype(values.dtype).newbyteorder("<")).tobytes()


def _text(column: pl.Series) -> bytes:
    return str(column.drop_nulls().str.join("").item()).encode()
