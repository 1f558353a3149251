"""A source that reads frames from memory, so that tests speak of the framework's steps alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest

from ctrbench.data.options import PrepareOptions
from ctrbench.data.prepare import prepare
from ctrbench.data.problems import Problems
from ctrbench.data.source import DatasetSource, Field, Prompt
from ctrbench.data.store import PreparedDataset

Row = tuple[str, str, str, int, float]  # domain, user, item, time, rating


class FrameSource(DatasetSource):
    """Interactions as rows; items, unless given, are all that occur."""

    fields: ClassVar = (Field(name="user", kind="id", of="user"), Field(name="item", kind="id", of="item"))
    prompts: ClassVar = {"default": Prompt(template="{user} {item}")}
    domain_titles: ClassVar = {"b": "The B"}

    def __init__(self, rows: Sequence[Row], items: Sequence[str] | None = None) -> None:
        super().__init__()
        schema = {
            "domain": pl.String,
            "user": pl.String,
            "item": pl.String,
            "time": pl.Int64,
            "rating": pl.Float64,
        }
        self.rows = pl.DataFrame(rows, schema=schema, orient="row")
        self.known = items

    def inputs(self, root: Path) -> list[Path]:
        return sorted(root.glob("*.txt"))

    def interactions(self, root: Path, problems: Problems) -> pl.LazyFrame:
        return self.rows.lazy()

    def items(self, root: Path, problems: Problems) -> pl.LazyFrame:
        names = self.rows["item"].unique().to_list() if self.known is None else list(self.known)
        return pl.LazyFrame({"item": names, "title": [f"title of {name}" for name in names]})


Prepare = Callable[..., PreparedDataset]


@pytest.fixture
def prepared(tmp_path: Path) -> Prepare:
    """Prepare rows, with preparation options as keywords."""

    def make(rows: Sequence[Row], items: Sequence[str] | None = None, **options: Any) -> PreparedDataset:
        strict, name = options.pop("strict", False), options.pop("out", "out")
        root = tmp_path / "raw"
        root.mkdir(exist_ok=True)
        source = FrameSource(rows, items)
        return prepare(
            source,
            root,
            tmp_path / name,
            PrepareOptions(**options),
            strict=strict,
            overwrite=True,
            source_name="frames",
        )

    return make


def all_rows(data: PreparedDataset) -> pl.DataFrame:
    """Every row of every split, in order of row_id."""
    return pl.concat([data.rows("train"), data.rows("valid"), data.rows("test")]).sort("row_id")
