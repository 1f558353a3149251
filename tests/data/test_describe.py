from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ctrbench.data.describe import Section, describe, written
from ctrbench.data.prepare import prepare
from ctrbench.data.resolve import load_source
from ctrbench.errors import DataError

from .conftest import Prepare, Row

ROWS: list[Row] = [("a", f"u{n % 3}", f"i{n % 4}", n, float(n % 5 + 1)) for n in range(10)]


def sections(prepared: Prepare, rows: list[Row]) -> dict[str, Section]:
    return {section.title.split(" (")[0]: section for section in describe(prepared(rows)).sections}


def test_sizes_are_those_of_table_ii(prepared: Prepare) -> None:
    found = sections(prepared, [*ROWS, ("b", "u0", "i9", 3, 5.0)])["Sizes"]
    assert found.columns == ["domain", "users", "products", "samples", "label rate"]
    assert found.rows[0] == ["a", 3, 4, 10, 0.4]
    assert found.rows[1] == ["b", 1, 1, 1, 1.0]
    assert found.rows[2][:4] == ["all", 3, 5, 11]


def test_steps_tell_what_each_left_out(prepared: Prepare) -> None:
    found = sections(prepared, [*ROWS, ROWS[0]])["Rows after each step"]
    assert found.columns == ["domain", "read", "well-formed", "item known", "repeats dropped", "train", "valid", "test"]
    assert found.rows == [
        ["a", 11, 11, 11, 10, 8, 1, 1],
        ["all", 11, 11, 11, 10, 8, 1, 1],
        ["left out", None, 0, 0, 1, None, None, None],
    ]


def test_shares_of_unseen_users_and_items(prepared: Prepare) -> None:
    rows: list[Row] = [*ROWS[:9], ("a", "newcomer", "i0", 100, 5.0)]
    found = sections(prepared, rows)["Share of rows whose user or item is unseen in training"]
    test = dict(zip(found.columns, found.rows[-1], strict=True))
    assert (test["split"], test["unseen user"], test["unseen item"], test["either"]) == (
        "test",
        1.0,
        0.0,
        1.0,
    )


def test_histories_and_warnings(prepared: Prepare) -> None:
    rows: list[Row] = [("a", "u", "i1", 1, 5.0), ("a", "u", "i2", 2, 5.0), ("a", "u", "i1", 3, 1.0)]
    found = sections(prepared, [*rows, rows[0]])
    assert found["Histories"].rows == [["a", 1.0, 2, 1 / 3, 1 / 3]]
    assert [row[:3] + row[4:] for row in found["Warnings"].rows] == [
        ["note", "interactions", "a", 1, "user u, item i1, time 1"],
        ["note", "interactions", "a", 1, None],
    ]


def test_a_domain_that_cleaning_emptied_has_no_rows(prepared: Prepare) -> None:
    data = prepared([*ROWS, ("b", "u0", "unheard-of", 3, 5.0)], items=[f"i{n}" for n in range(4)])
    found = {section.title.split(" (")[0]: section.rows for section in describe(data).sections}
    assert found["Sizes"][1] == ["b", 0, 0, 0, None]
    assert found["Histories"][1] == ["b", None, None, None, None]
    assert [row[:4] for row in found["Rows after each step"]][:2] == [["a", 10, 10, 10], ["b", 1, 1, 0]]


def test_rows_without_a_domain_were_read_too(prepared: Prepare) -> None:
    nowhere: Any = (None, "u0", "i0", 3, 5.0)
    found = sections(prepared, [*ROWS, nowhere])["Rows after each step"]
    assert [row[:3] for row in found.rows] == [
        ["a", 10, 10],
        ["in no domain", 1, 0],
        ["all", 11, 10],
        ["left out", None, 1],
    ]


def test_options_that_differ_from_the_defaults_are_named(prepared: Prepare) -> None:
    """Of a source that is not installed every option is named: its defaults are not known."""
    assert describe(prepared(ROWS)).unusual == {}
    assert describe(prepared(ROWS, split="random", split_seed=3)).unusual == {"split": "random", "split_seed": 3}


def test_options_are_written_as_they_are_given() -> None:
    options = {"categories": ["gift_cards", "music"], "dedupe": False, "domain_by": None, "scale": 0.1}
    assert written(options) == "categories=gift_cards,music, dedupe=false, domain_by=none, scale=0.1"


def test_a_source_that_is_installed_has_its_own_defaults(tmp_path: Path) -> None:
    source = load_source("demo", {"scale": 0.1})
    source.download(tmp_path / "raw")
    data = prepare(source, tmp_path / "raw", tmp_path / "out", source_name="demo")
    assert describe(data).unusual == {"scale": 0.1}


@pytest.mark.parametrize("content", [b"", b"no parquet", None])
def test_a_damaged_file_is_one_sentence(prepared: Prepare, content: bytes | None) -> None:
    data = prepared(ROWS)
    for name in ("train", "items"):
        file = data.path / f"{name}.parquet"
        file.write_bytes(file.read_bytes()[:-20] if content is None else content)
    for use in (lambda: describe(data), lambda: data.rows("train"), lambda: data.items):
        with pytest.raises(DataError, match=r"cannot be read \(.*\): prepare the dataset again$") as caught:
            use()
        assert "\n" not in str(caught.value)
