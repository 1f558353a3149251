"""Content hashes that depend on values alone: not on file formats, library versions, paths or times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

_SLICE = 1 << 18  # rows hashed at a time; not part of the hash
_BLOCK = 1 << 20


def file_hash(path: Path) -> str:
    """sha256 (hex) of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def frames_hash(frames: Mapping[str, pl.DataFrame], about: Any = None) -> str:
    """sha256 (hex) of named tables, column by column, and of `about` as canonical JSON.

    Integers are hashed as little-endian int64, floats as float64, text as lengths and UTF-8 bytes, lists as
    lengths and their elements; a null is neither zero nor blank.
    """
    digest = hashlib.sha256(json.dumps(about, sort_keys=True, ensure_ascii=False).encode())
    for name, frame in frames.items():
        for column in frame.columns:
            digest.update(f"\0{name}\0{column}\0".encode())
            digest.update(_column_hash(frame[column]).digest())
    return digest.hexdigest()


def _column_hash(column: pl.Series) -> hashlib._Hash:
    # Each part has its own digest, so the whole does not depend on where slices end.
    parts = [hashlib.sha256() for _ in range(5)]
    for start in range(0, len(column), _SLICE):
        for part, data in zip(parts, _parts(column.slice(start, _SLICE)), strict=False):
            part.update(data)
    whole = hashlib.sha256(str(len(column)).encode())
    for part in parts:
        whole.update(part.digest())
    return whole


def _parts(column: pl.Series) -> list[bytes]:
    """Which values are there, how long they are, and what they are."""
    present = column.is_not_null().to_numpy().tobytes()
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
