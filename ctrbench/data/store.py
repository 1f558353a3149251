"""A prepared dataset on disk: `manifest.json`, `items.parquet` and one Parquet file per split."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from ctrbench.data.fingerprint import frames_hash
from ctrbench.data.lines import reading
from ctrbench.data.problems import Problem
from ctrbench.data.source import Field, Prompt
from ctrbench.data.split import SPLITS, Split
from ctrbench.errors import DataError

FORMAT = 1
MANIFEST = "manifest.json"
TRUE_PROBABILITY = "true_probability"
"""The extra column (Float64) of a row's true click probability, where data is synthetic. No model sees it."""

_HASHED = ("row_id", "domain", "user", "item", "time", "label")


class InputFile(BaseModel):
    """A raw file that was read; `path` is relative to the root it was read from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    sha256: str
    bytes: int


class Step(BaseModel):
    """How many interactions each domain had after a step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rows: dict[str, int]


class Manifest(BaseModel):
    """What a prepared dataset is, and how it came to be.

    `domains`: name -> title in prompts, in canonical order. `fingerprint`: sha256 over everything a model can
    see (rows, splits, items, fields, prompts, titles), the same on any machine and at any time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    source: str
    source_version: str = "1"
    source_options: dict[str, Any]
    options: dict[str, Any]
    synthetic: bool
    domains: dict[str, str]
    fields: list[Field]
    prompts: dict[str, Prompt]
    inputs: list[InputFile]
    steps: list[Step]
    problems: list[Problem]
    fingerprint: str
    ctrbench_version: str


class PreparedDataset:
    """Canonical rows and splits that every model sees; get one with `PreparedDataset.open`."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def open(cls, path: Path | str) -> PreparedDataset:
        """Open a folder that `prepare` wrote. Raises `DataError` when it is none, or of another format."""
        path = Path(path)
        return cls(path, _read_manifest(path))

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) of the content; see `Manifest`."""
        return self.manifest.fingerprint

    @property
    def domains(self) -> tuple[str, ...]:
        """Domain names in canonical order."""
        return tuple(self.manifest.domains)

    def counts(self, split: Split) -> dict[str, int]:
        """Rows of a split per domain, from the manifest."""
        return next(step.rows for step in self.manifest.steps if step.name == split)

    @cached_property
    def items(self) -> pl.DataFrame:
        """One row per item: `item`, `item_index` (dense from 0, the row's place), and the item's columns."""
        with self.reading():
            return self._scan("items").collect()

    def rows(self, split: Split, domains: Sequence[str] | None = None, limit: int | None = None) -> pl.DataFrame:
        """The rows of one split, in canonical order: by domain, then time, then row_id.

        Columns: `row_id, domain, user, user_index, item, time` (seconds), `label` (0 or 1), `history`
        (item ids, oldest first) and the source's extra columns. `domains` restricts them, `limit`
        keeps each domain's latest rows. Raises `DataError` for a domain that the dataset has not.
        """
        rows = self.scan(split)
        if domains is not None:
            self.check_domains(domains)
            rows = rows.filter(pl.col("domain").is_in(list(domains)))
        with self.reading():
            frame = rows.collect()
        if limit is not None:
            frame = frame.group_by("domain", maintain_order=True).tail(limit)
        return frame

    def scan(self, split: Split) -> pl.LazyFrame:
        """The rows of one split, lazily; collect them within `reading`."""
        return self._scan(split)

    def reading(self) -> AbstractContextManager[None]:
        """Turns a file that cannot be read, whenever that is found out, into a `DataError`."""
        return reading(self.path, "prepare the dataset again")

    def _scan(self, name: str) -> pl.LazyFrame:
        path = self.path / f"{name}.parquet"
        if not path.is_file():
            raise DataError(f"{path} is missing: prepare the dataset again")
        return pl.scan_parquet(path)

    def check_domains(self, domains: Sequence[str]) -> None:
        """Raise `DataError` for a domain that the dataset has not, naming those it has."""
        for domain in domains:
            if domain not in self.domains:
                raise DataError(f"{self.path} has no domain {domain!r}: it has {', '.join(self.domains)}")


def rows_hash(rows: pl.DataFrame) -> str:
    """sha256 (hex) of the rows' identity: row_id, domain, user, item, time, label, in their order."""
    return frames_hash({"rows": rows.select(_HASHED)})


_COMPRESSION = 1
"""Zstandard's level: the highest speed costs some 5 % of size."""


def write_dataset(folder: Path, items: pl.DataFrame, splits: Mapping[str, pl.DataFrame], manifest: Manifest) -> None:
    """Write a prepared dataset's files into an empty folder, the manifest last."""
    items.write_parquet(folder / "items.parquet", compression_level=_COMPRESSION)
    for split in SPLITS:
        splits[split].write_parquet(folder / f"{split}.parquet", compression_level=_COMPRESSION)
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _read_manifest(path: Path) -> Manifest:
    file = path / MANIFEST
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(
            f"{path} is not a prepared dataset (it has no {MANIFEST}): write one with `ctrbench data prepare`"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read ({error}): prepare the dataset again") from error
    found = raw.get("format") if isinstance(raw, dict) else None
    if found != FORMAT:
        raise DataError(f"{path} has format {found}, this ctrbench reads format {FORMAT}: prepare the dataset again")
    try:
        return Manifest.model_validate(raw)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise DataError(f"{file} is damaged (at {where}): prepare the dataset again") from error
