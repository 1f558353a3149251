"""Means and deviations over train rows, from parts of them or from items and their counts, are those of all at once."""

import numpy as np
import polars as pl
import pytest

from ctrbench.features import scales
from ctrbench.features.scales import scale_of_items, scale_of_rows

VALUES = np.random.default_rng(0).normal(1e6, 3.0, 5000)


@pytest.mark.parametrize("size", [1, 7, 5000, 10**6])
def test_the_scale_of_rows_does_not_depend_on_parts(size, monkeypatch):
    plain = pl.LazyFrame.collect_batches
    monkeypatch.setattr(pl.LazyFrame, "collect_batches", lambda frame: plain(frame, chunk_size=size))
    mean, deviation = scale_of_rows(pl.LazyFrame({"x": VALUES}))
    assert (mean, deviation) == scale_of_rows(pl.LazyFrame({"x": VALUES[::-1].copy()}))
    assert mean == pytest.approx(VALUES.mean(), rel=1e-15)
    assert deviation == pytest.approx(VALUES.std(), rel=1e-12)


def test_an_item_counts_as_often_as_it_stands_in_train():
    values, counts = pl.Series(VALUES[:300]), pl.Series(np.random.default_rng(1).integers(1, 50, 300))
    every = np.repeat(VALUES[:300], counts.to_numpy())
    assert scale_of_items(values, counts) == pytest.approx((every.mean(), every.std()), rel=1e-12)


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_missing_values_do_not_count(missing):
    values = pl.Series([1.0, missing, 3.0], strict=False)
    assert scale_of_rows(values.to_frame("x").lazy()) == (2.0, 1.0)
    assert scale_of_items(values, pl.Series([2, 90, 2])) == (2.0, 1.0)


@pytest.mark.parametrize("values", [[0.1] * 3, [1e9 / 3] * 7])
def test_a_constant_has_deviation_one(values):
    for mean, deviation in (
        scale_of_rows(pl.LazyFrame({"x": values})),
        scale_of_items(pl.Series(values), pl.Series(range(1, len(values) + 1))),
    ):
        assert mean == pytest.approx(values[0])
        assert deviation == 1.0


@pytest.mark.parametrize("values", [[], [None, None]])
def test_a_column_without_values_has_mean_zero(values):
    column = pl.Series(values, dtype=pl.Float64)
    assert scale_of_rows(column.to_frame("x").lazy()) == (0.0, 1.0)
    assert scale_of_items(column, pl.Series([1] * len(values), dtype=pl.UInt32)) == (0.0, 1.0)


def test_integers_are_numbers_too():
    assert scales.scale_of_rows(pl.LazyFrame({"x": [1, 3]})) == (2.0, 1.0)
