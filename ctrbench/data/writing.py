"""Writing a prepared dataset's files, slice by slice, so that memory does not grow with rows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from ctrbench.data.canonical import SLICE
from ctrbench.data.fingerprint import ContentHash
from ctrbench.data.store import MANIFEST, Manifest

_COMPRESSION = 1
"""Zstandard's level: the highest speed costs some 5 % of size."""

_FAULT = re.compile(r"(?:.*: )?(.*) \(os error (\d+)\)")


def write_tables(folder: Path, tables: Mapping[str, Iterable[pl.DataFrame]], about: Any) -> str:
    """Write each table as `NAME.parquet` into `folder`; returns their `ContentHash` and that of `about`.

    A table comes in slices of one schema, one at least; row groups are as large as the first.
    Raises `OSError` where there is no place.
    """
    content = ContentHash(about)
    for name, slices in tables.items():
        _write_table(folder / f"{name}.parquet", content.passing(name, slices))
    return content.hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest; last, since a folder that has one is whole."""
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")


def write_dataset(folder: Path, items: pl.DataFrame, splits: Mapping[str, pl.DataFrame], manifest: Manifest) -> None:
    """Write a prepared dataset that is in memory into an empty folder."""
    write_tables(folder, {name: in_slices(table) for name, table in {"items": items, **splits}.items()}, None)
    write_manifest(folder, manifest)


def in_slices(table: pl.DataFrame, size: int = SLICE) -> Iterator[pl.DataFrame]:
    """The slices of a table; one at least, be it without a row."""
    return (table.slice(start, size) for start in range(0, max(table.height, 1), size))


def _write_table(file: Path, slices: Iterator[pl.DataFrame]) -> None:
    first = next(slices)

    def source(*_: object) -> Iterator[pl.DataFrame]:
        return chain([first], slices)

    with _os_errors():
        rows = register_io_source(source, schema=first.schema, is_pure=False)
        rows.sink_parquet(
            file, compression_level=_COMPRESSION, row_group_size=max(first.height, 1), maintain_order=True
        )


@contextmanager
def _os_errors() -> Iterator[None]:
    """Polars tells of a full disk by an error of its own; make it the system's again."""
    try:
        yield
    except pl.exceptions.ComputeError as error:
        fault = _FAULT.search(str(error))
        if fault is None:
            raise
        raise OSError(int(fault[2]), os.strerror(int(fault[2]))) from error
