"""Rows of a split are the same however they are read: at once, lazily, in slices; a part is read from its place."""

import polars as pl
import pytest

from ctrbench.data.store import rows_hash
from ctrbench.errors import DataError
from tests.toys import DOMAINS, toy_rows

SPLITS = ("train", "valid", "test")
PARTS = [
    (None, None),
    (("books",), None),
    (("books", "tools"), None),
    (("tools", "books"), 7),
    (None, 3),
    (None, 10**6),
]


def expected(data, split, domains, limit) -> pl.DataFrame:
    rows = pl.read_parquet(data.path / f"{split}.parquet")
    rows = rows.filter(pl.col("domain").is_in(domains or DOMAINS))
    return rows if limit is None else rows.group_by("domain", maintain_order=True).tail(limit).select(rows.columns)


@pytest.mark.parametrize(("domains", "limit"), PARTS)
@pytest.mark.parametrize("split", SPLITS)
def test_all_ways_of_reading_give_the_same_rows(toy, split, domains, limit):
    rows = expected(toy, split, domains, limit)
    assert toy.rows(split, domains, limit).equals(rows)
    assert toy.scan(split, domains, limit).collect().equals(rows)
    assert toy.count(split, domains, limit) == len(rows)
    for size in (1, 10, 10**6):
        slices = list(toy.slices(split, domains, limit, size=size))
        assert pl.concat(slices).equals(rows)
        assert max(map(len, slices)) <= size
        assert rows_hash(slices) == rows_hash(rows)


def test_rows_in_slices_have_the_hash_of_the_whole_also_where_there_is_none(tmp_path):
    from tests.toys import write_toy

    data = write_toy(tmp_path / "toy", train=0)
    assert rows_hash(data.slices("train", ("books",), size=5)) == rows_hash(data.rows("train", ("books",)))


def test_the_hash_tells_rows_and_their_order_apart():
    rows = toy_rows(20)
    assert rows_hash(rows) != rows_hash(rows.reverse())
    assert rows_hash([rows[:7], rows[7:]]) != rows_hash([rows[7:], rows[:7]])


@pytest.mark.parametrize("read", ["rows", "count", "scan"])
def test_an_unknown_domain_is_named(toy, read):
    with pytest.raises(DataError, match="'toys'"):
        getattr(toy, read)("train", ("toys",))
