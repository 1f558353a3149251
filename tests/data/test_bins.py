from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import example, given, settings, strategies as st

from ctrbench.data.bins import bin_counts, choose_edges, doubling_edges, number, whole_edges


def counted(values: list[float], domain: str = "a") -> pl.DataFrame:
    return pl.DataFrame({"domain": [domain] * len(values), "value": values}).group_by("domain", "value").agg(n=pl.len())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(-1e308, 1e308), min_size=1, max_size=50))
@example([1e16, 1e16 + 2])
@example([-1.7e308, 1.7e308])
@example([5e-324, 1e-320, 1.0, 1e300])
def test_whatever_the_values_bins_are_few_and_hold_each_once(values: list[float]) -> None:
    edges = choose_edges(counted(values))
    assert all(low < high for low, high in pairwise(edges.at))
    assert len(edges.at) <= (80 if edges.log else 50)
    assert all(map(math.isfinite, edges.at))
    bins = bin_counts(counted(values), edges)
    assert bins["count"].sum() == len(values)
    assert bins["label"].n_unique() == bins.height or not edges.whole


def test_few_whole_numbers_have_a_bin_each() -> None:
    values = [3.0, 3.0, 5.0]
    edges = choose_edges(counted(values))
    assert edges == whole_edges(3, 5)
    bins = bin_counts(counted(values), edges)
    assert bins.select("label", "low", "high", "count").rows() == [
        ("3", 2.5, 3.5, 2),
        ("4", 3.5, 4.5, 0),
        ("5", 4.5, 5.5, 1),
    ]
    assert bins["share"].to_list() == [2 / 3, 0, 1 / 3]


def test_many_whole_numbers_share_bins_of_a_round_width() -> None:
    values = [float(value) for value in range(101)]
    bins = bin_counts(counted(values), choose_edges(counted(values)))
    assert bins["label"][:2].to_list() == ["0-4", "5-9"]
    assert bins["count"].to_list() == [5] * 20 + [1]


def test_a_long_tail_is_drawn_on_a_logarithmic_axis() -> None:
    values = [1.01 * 1.1**place for place in range(100)]
    edges = choose_edges(counted(values))
    assert edges.log
    assert edges.at[:7] == (1, 1.5, 2, 3, 5, 7, 10)
    found = Counter(max(low for low in edges.at if low <= value) for value in values)
    bins = bin_counts(counted(values), edges)
    assert {low: n for low, n in bins.select("low", "count").rows() if n} == found


def test_one_value_far_away_does_not_flatten_the_rest() -> None:
    values = [float(value) for value in range(-20, 1000)] + [1e9, -1e9]
    edges = choose_edges(counted(values))
    assert edges.at[-1] < 2000
    bins = bin_counts(counted(values), edges)
    assert bins["label"][0].startswith("up to ")
    assert bins["label"][-1].endswith(" or more")
    assert bins["count"].sum() == len(values)


def test_frequencies_have_bins_that_double() -> None:
    bins = bin_counts(counted([1, 2, 3, 4, 7, 8]), doubling_edges(8))
    assert bins.select("label", "count").rows() == [("1", 1), ("2-3", 2), ("4-7", 2), ("8-15", 1)]


def test_long_histories_share_bins() -> None:
    edges = whole_edges(0, 1000)
    assert len(edges.at) <= 42
    assert edges.at[0] == -0.5
    assert edges.at[-1] > 1000


def test_domains_have_the_same_bins() -> None:
    both = pl.concat([counted([1.0, 2.0], "a"), counted([9.0], "b")])
    bins = bin_counts(both, choose_edges(both))
    a, b = (bins.filter(pl.col("domain") == name) for name in "ab")
    assert a["label"].to_list() == b["label"].to_list()
    assert b.filter(pl.col("count") > 0).select("label", "share").rows() == [("9", 1.0)]


def test_no_values_have_no_bins() -> None:
    nothing = counted([1.0]).clear()
    assert bin_counts(nothing, choose_edges(nothing)).is_empty()


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.5"), (12.345, "12.35"), (1998.0, "1998"), (1234.6, "1235"), (45_000.0, "45,000")]
)
def test_numbers_for_people(value: float, text: str) -> None:
    assert number(value) == text
