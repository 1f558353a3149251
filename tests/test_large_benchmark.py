"""The benchmark of large data: rows as `prepare` would leave them, whatever their number; and its lines."""

import polars as pl
import pytest

from ctrbench.benchmarks.speed import large, large_data
from ctrbench.benchmarks.speed.large_data import Domain, alike, write_large

DOMAINS = [Domain("a", 70, 30, 1000), Domain("b", 20, 10, 300)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_data, "CHUNK", 128)
        return write_large(tmp_path_factory.mktemp("large") / "data", DOMAINS)


def test_a_dataset_has_the_sizes_that_it_says(data):
    rows = pl.concat([data.rows(split) for split in ("train", "valid", "test")])
    for name, users, items, count in DOMAINS:
        own = rows.filter(pl.col("domain") == name)
        assert (len(own), own["user"].n_unique(), own["item"].n_unique()) == (count, users, items)
        assert [data.count(split, (name,)) for split in ("train", "valid", "test")] == [
            int(count * share) for share in (0.8, 0.1, 0.1)
        ]
    assert rows["row_id"].sort().to_list() == list(range(1300))
    assert set(rows["item"]) | set(rows["history"].explode().drop_nulls()) <= set(data.items["item"])
    assert 0.2 < rows["label"].mean() < 0.8
    assert rows["history"].list.len().max() == large_data.HISTORY


def test_rows_stand_by_domain_and_time(data):
    rows = data.rows("train")
    assert rows.equals(rows.sort("domain", "time"))


def test_more_rows_have_no_more_ids():
    few, many = (alike(count) for count in (10**6, 10**8))
    assert [(d.users, d.items) for d in few] == [(d.users, d.items) for d in many]
    assert sum(d.rows for d in many) == 10**8


@pytest.mark.slow
def test_growth_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CTRBENCH_CACHE", str(tmp_path / "cache"))
    large.growth([3000, 6000], tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["3,000", large.IN_MEMORY.split()[0]]
    assert lines[-2].startswith("peak memory, by the first size's: 1.00 ")
    assert not list(tmp_path.iterdir())
