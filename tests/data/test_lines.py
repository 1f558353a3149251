from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from ctrbench.data import json_lines
from ctrbench.data.json_lines import scan_json_lines
from ctrbench.data.lines import scan_lines, take_good
from ctrbench.data.problems import Problems
from ctrbench.errors import DataError

CHECKS = {"no a": pl.col("a").is_null(), "odd b": pl.col("b").cast(pl.Int64, strict=False) % 2 == 1}


def good_rows(path: Path, content: str | bytes, problems: Problems) -> pl.DataFrame:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return take_good(path, scan_json_lines(path, ["a", "b"]), CHECKS, problems, domain="d")


def told(problems: Problems) -> list[tuple[str, str | None, int, tuple[str, ...]]]:
    return [(p.reason, p.domain, p.count, p.examples) for p in problems.entries]


@pytest.mark.parametrize("block", [2, 100])
def test_bad_rows_are_counted_by_their_first_reason_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(json_lines, "_BLOCK", block)
    odd, bare = '{"a":"x","b":1}', '{"b":3}'
    lines = ['{"a":"x","b":2}', odd, "broken", bare, odd, '{"a":"y","b":4}', odd, odd, "broken  too"]
    problems = Problems()
    rows = good_rows(tmp_path / "x.json", "\n".join(lines), problems)
    assert rows.drop("_file").rows() == [(1, "x", "2"), (6, "y", "4")]
    assert told(problems) == [
        ("odd b", "d", 4, (f"x.json:2: {odd}", f"x.json:5: {odd}", f"x.json:7: {odd}")),
        ("broken JSON line", "d", 2, ("x.json:3: broken", "x.json:9: broken too")),
        ("no a", "d", 1, (f"x.json:4: {bare}",)),
    ]


def test_rows_of_several_domains(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("a 1\nb 1\n\na 2\n")
    rows = scan_lines(path).with_columns(pl.col("_text").str.head(1).alias("domain"))
    problems = Problems()
    assert take_good(path, rows, {"one": pl.col("_text").str.ends_with("1")}, problems)["_line"].to_list() == [4]
    assert told(problems) == [("one", "a", 1, ("x.txt:1: a 1",)), ("one", "b", 1, ("x.txt:2: b 1",))]


def test_strict_tells_all_that_are_like_the_first(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^x\.json:1: no: broken JSON line \(--strict: 2 such"):
        good_rows(tmp_path / "x.json", "no\n{}\nno", Problems(strict=True))


def test_where_every_row_is_bad_none_is_left(tmp_path: Path) -> None:
    assert good_rows(tmp_path / "x.json", "no\n{}", Problems()).is_empty()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "x.json is empty"),
        (b"\n\r\n  \n\0", "x.json is empty"),
        (b'{"a":"\xff"}', "x.json cannot be read .*utf8"),
        ('{"a":"x"}'.encode("utf-16"), "x.json cannot be read .*utf8"),
        (b"\x1f\x8b\x08\0", "x.json cannot be read .*end of file"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        good_rows(tmp_path / "x.json", content, Problems())
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="nowhere"):
        take_good(tmp_path / "nowhere", scan_lines(tmp_path / "nowhere"), {"": pl.lit(value=False)}, Problems())
