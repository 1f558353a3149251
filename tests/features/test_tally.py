"""Distinct values are counted in batches as they would be at once."""

from collections import Counter

import polars as pl
import pytest

from ctrbench.features import tally as module
from ctrbench.features.tally import tally

WORDS = [f"w{number * number % 97}" for number in range(5_000)]


@pytest.mark.parametrize("least", [1, 60, 2**17])
def test_counts_are_those_of_a_plain_loop_however_many_may_wait(least, monkeypatch):
    monkeypatch.setattr(module, "_LEAST", least)
    parts = [pl.LazyFrame({"word": WORDS[start : start + 700]}) for start in range(0, len(WORDS), 700)]
    counts = tally(pl.concat(parts))
    assert dict(counts.iter_rows()) == Counter(WORDS)
    assert counts["word"].is_sorted()


def test_a_missing_value_is_a_value_and_no_rows_have_none():
    column = pl.LazyFrame({"word": ["b", None, "b"]})
    assert dict(tally(column).iter_rows()) == {None: 1, "b": 2}
    assert tally(column.clear()).is_empty()
