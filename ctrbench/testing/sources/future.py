"""What a source promises not to show: a row's label, and what came after the row."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest

from ctrbench.data.audit_features import audit_features
from ctrbench.data.audit_rows import AuditRows
from ctrbench.data.options import PrepareOptions
from ctrbench.errors import CtrbenchError
from ctrbench.testing.promises import promise
from ctrbench.testing.sources.subject import KEYS, PLACES, SourceSubject, Tables, read

_ENOUGH = 30
"""Rows of the rarer label, from which on the audit takes a feature that goes with it for no chance."""


class FuturePromises(SourceSubject):
    """What a source promises not to show: a row's label, and what came after the row."""

    @promise("leave the column out, or keep it out of `fields` and prompts.")
    def test_no_feature_is_the_label(self) -> None:
        """No feature of a row tells its label, as a rating or the time spent on the page does."""
        rows = pl.concat([self._prepared().rows(split).select("label") for split in ("train", "valid", "test")])
        rarer = int(min(rows["label"].sum(), rows.height - rows["label"].sum()))
        if rarer < _ENOUGH:
            pytest.skip(f"write raw files with {_ENOUGH} rows of each label: {rarer} of one are too few to tell")
        features = audit_features(AuditRows(self._prepared(), PrepareOptions()))
        assert features.result == "holds", features.found

    @promise("compute each column from what came before the row, or leave the column out.")
    def test_nothing_shows_what_came_later(self) -> None:
        """Raw files without the latest rows give all earlier rows and their items the same columns."""
        every = self._tables()
        times = every.rows["time"].unique().sort()
        if len(times) < 2:
            pytest.skip("all rows are of one time")
        with TemporaryDirectory() as folder:
            root = Path(folder, "raw")
            self.raw_files_until(root, times[len(times) * 7 // 10 - 1])
            try:
                cut = read(self._load(), root)
            except CtrbenchError as fault:
                pytest.skip(f"the files cannot be read without their latest rows ({fault})")
        gone = every.rows.join(cut.rows, on=KEYS, how="anti")
        end: Any = gone["time"].min()
        if end is None or every.rows.filter(pl.col("time") < end).is_empty():
            pytest.skip("which lines are of the latest rows was not found: override `raw_files_until`")
        odd = _differing_rows(every, cut, end) + _differing_items(every, cut)
        assert not odd, f"{', '.join(odd)} changed with rows of time {end} and later"


def _differing_rows(every: Tables, cut: Tables, end: float) -> list[str]:
    """Columns of rows before `end` that are not the same in both."""
    one, other = (tables.rows.filter(pl.col("time") < end).drop(PLACES, strict=False) for tables in (every, cut))
    assert one.height == other.height, f"of {one.height:,} earlier rows {other.height:,} are left without the latest"
    return [name for name in one.columns if not one[name].equals(other[name], null_equal=True)]


def _differing_items(every: Tables, cut: Tables) -> list[str]:
    """Columns of items that are in both, and not the same."""
    one, other = (tables.items.drop(PLACES, strict=False).unique("item", keep="first") for tables in (every, cut))
    both = one.join(other, on="item", how="inner", suffix=" cut")
    names = [name for name in one.columns if name != "item"]
    return [f"the items' {name}" for name in names if not both[name].equals(both[f"{name} cut"], null_equal=True)]
