"""A prepared dataset on disk: `manifest.json`, `items.parquet` and one Parquet file per split."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
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
from ctrbench.data.split import Split
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
    `source`: what the dataset is called, which is its plugin's name unless it has one of its own. `own_history`: the
    source brought the histories, which then are not made of the rows. `brought_by`: the distribution whose plugin read
    the files, with its version and entry point; empty where the source was not registered. `doubts`: a sentence each,
    without a full stop, for what its rows let doubt; see `ctrbench.data.doubts`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    source: str
    plugin: str | None = None
    brought_by: dict[str, str] = {}
    source_version: str = "1"
    source_options: dict[str, Any]
    options: dict[str, Any]
    synthetic: bool
    own_history: bool = False
    domains: dict[str, str]
    fields: list[Field]
    prompts: dict[str, Prompt]
    inputs: list[InputFile]
    steps: list[Step]
    problems: list[Problem]
    doubts: list[str] = []
    fingerprint: str
    ctrbench_version: str

    @property
    def registered(self) -> str:
        """The name under which the source is registered."""
        return self.plugin or self.source


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

    def has_column(self, name: str) -> bool:
        """Whether rows or items have this column."""
        with self.reading():
            return any(name in self._scan(file).collect_schema() for file in ("items", "train"))

    def rows(self, split: Split, domains: Sequence[str] | None = None, limit: int | None = None) -> pl.DataFrame:
        """The rows of one split, in canonical order: by domain, then time, then row_id.

        Columns: `row_id, domain, user, user_index, item, time` (seconds), `label` (0 or 1), `history`
        (item ids, oldest first) and the source's extra columns. `domains` restricts them, `limit`
        keeps each domain's latest rows. Raises `DataError` for a domain that the dataset has not.
        """
        with self.reading():
            return self.scan(split, domains, limit).collect()

    def scan(self, split: Split, domains: Sequence[str] | None = None, limit: int | None = None) -> pl.LazyFrame:
        """The same rows, lazily; collect them within `reading`."""
        rows = self._scan(split)
        if domains is None and limit is None:
            return rows
        return pl.concat([rows.slice(0, 0), *(rows.slice(*place) for place in self._places(split, domains, limit))])

    def slices(
        self, split: Split, domains: Sequence[str] | None = None, limit: int | None = None, *, size: int
    ) -> Iterator[pl.DataFrame]:
        """The same rows, at most `size` of them in memory at a time; a slice is of one domain, be it without a row."""
        rows = self._scan(split)
        for start, count in self._places(split, domains, limit):
            for place in range(start, start + max(count, 1), size):
                with self.reading():
                    # From the file itself: of several parts put together, polars would read all that comes before.
                    part = rows.slice(place, min(size, start + count - place)).collect()
                yield part

    def count(self, split: Split, domains: Sequence[str] | None = None, limit: int | None = None) -> int:
        """How many rows that are; nothing is read but the manifest."""
        return sum(count for _, count in self._places(split, domains, limit))

    def _places(self, split: Split, domains: Sequence[str] | None, limit: int | None) -> list[tuple[int, int]]:
        """Where these rows stand in the split's file: each domain's first one, and how many there are."""
        self.check_domains(domains or ())
        counts, found, start = self.counts(split), [], 0
        for domain in self.domains:
            count = counts.get(domain, 0)
            start += count
            if domains is None or domain in domains:
                kept = count if limit is None else min(count, limit)
                found.append((start - kept, kept))
        return found

    def reading(self) -> AbstractContextManager[None]:
        """Turns a file that cannot be read, whenever that is found out, into a `DataError`."""
        return reading(self.path, "prepare the dataset again")

    def _scan(self, name: str) -> pl.LazyFrame:
        path = self.path / f"{name}.parquet"
        if not path.is_file():
            raise DataError(f"{path} is missing: prepare the dataset again")
        return pl.scan_parquet(path, glob=False)  # a folder may be called `[out]`

    def check_domains(self, domains: Sequence[str]) -> None:
        """Raise `DataError` for a domain that the dataset has not, naming those it has."""
        for domain in domains:
            if domain not in self.domains:
                raise DataError(f"{self.path} has no domain {domain!r}: it has {', '.join(self.domains)}")


def rows_hash(rows: pl.DataFrame | Iterable[pl.DataFrame]) -> str:
    """sha256 (hex) of the identity of rows, whole or in slices: row_id, domain, user, item, time, label, in order."""
    slices = [rows] if isinstance(rows, pl.DataFrame) else rows
    return frames_hash({"rows": (part.select(_HASHED) for part in slices)})


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
