from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from ctrbench.data.split import add_split


def rows(times: dict[str, list[int]]) -> pl.DataFrame:
    made = [(domain, time) for domain, values in times.items() for time in sorted(values)]
    return pl.DataFrame(made, schema={"domain": pl.String, "time": pl.Int64}, orient="row").with_row_index("row_id")


def split(frame: pl.DataFrame, rule: Any = "time", train: float = 0.8, valid: float = 0.1, seed: int = 0) -> Any:
    return add_split(frame.with_columns(pl.col("row_id").cast(pl.Int64)), rule, train, valid, seed)


def test_each_domain_is_cut_80_10_10_in_time() -> None:
    made = split(rows({"a": list(range(10)), "b": [5] * 20}))
    sizes = made.group_by("domain", "split").len().sort("domain", "split")["len"].to_list()
    assert sizes == [8, 1, 1, 16, 2, 2]
    for _, domain in made.group_by("domain"):
        latest = {s: domain.filter(pl.col("split") == s)["time"] for s in ("train", "valid", "test")}
        assert latest["train"].max() <= latest["valid"].min()
        assert latest["valid"].max() <= latest["test"].min()


def test_a_global_cut_is_the_same_moment_in_every_domain() -> None:
    made = split(rows({"a": list(range(0, 40)), "b": list(range(20, 80))}), "global_time")
    by_split = {s: made.filter(pl.col("split") == s)["time"] for s in ("train", "valid", "test")}
    assert by_split["train"].max() <= by_split["valid"].min()
    assert by_split["valid"].max() <= by_split["test"].min()
    assert made.filter(pl.col("domain") == "a")["split"].unique().to_list() == ["train"]


def test_a_random_split_keeps_shares_and_follows_its_seed() -> None:
    frame = rows({"a": list(range(1000))})
    first, again, other = (split(frame, "random", seed=seed)["split"].to_list() for seed in (1, 1, 2))
    assert first == again != other
    assert [first.count(s) for s in ("train", "valid", "test")] == [800, 100, 100]
    assert 20 < first[:500].count("test") < 80


def test_a_random_split_keeps_shares_in_every_domain() -> None:
    made = split(rows({"a": list(range(1000)), "b": list(range(50)), "c": [1]}), "random")
    assert made.columns == ["row_id", "domain", "time", "split"]
    sizes = {(d, s): n for d, s, n in made.group_by("domain", "split").len().iter_rows()}
    of_a = {("a", "train"): 800, ("a", "valid"): 100, ("a", "test"): 100}
    assert sizes == {**of_a, ("b", "train"): 40, ("b", "valid"): 5, ("b", "test"): 5, ("c", "test"): 1}


@pytest.mark.parametrize(("train", "valid", "sizes"), [(0.81, 0.09, [81, 9, 10]), (0.7, 0.2, [70, 20, 10])])
def test_shares_are_options(train: float, valid: float, sizes: list[int]) -> None:
    made = split(rows({"a": list(range(100))}), train=train, valid=valid)["split"].to_list()
    assert [made.count(s) for s in ("train", "valid", "test")] == sizes
