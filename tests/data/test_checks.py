"""Bad input, as a user meets it: one sentence, exit code 2, nothing half-written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ctrbench import registry
from ctrbench.cli import main
from ctrbench.data.checks import LONGEST, RESERVED, is_legal

from .conftest import FrameSource, Prepare, Row

ROWS: list[Row] = [("ab"[n % 2], f"u{n % 4}", f"i{n % 7}", 1000 + n, float(n % 5 + 1)) for n in range(40)]

Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Prepare rows with the command; the sentence that it ends with."""

    def attempt(rows: Sequence[Any], *words: str, changed: Callable[[pl.DataFrame], pl.DataFrame] | None = None) -> str:
        class Frames(FrameSource):
            def __init__(self, options: object = None) -> None:
                super().__init__(rows)
                self.rows = changed(self.rows) if changed else self.rows

        monkeypatch.setattr(registry, "load", lambda kind, name: Frames)
        root = tmp_path / "raw"
        root.mkdir(exist_ok=True)
        code = main(["data", "prepare", "frames", "--root", str(root), "--out", str(tmp_path / "out"), *words])
        return _sentence(code, tmp_path, capsys)

    return attempt


def _sentence(code: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    printed = capsys.readouterr()
    assert code == 2, printed.out
    assert printed.err.startswith("ctrbench: ")
    assert printed.err.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["raw"]
    return printed.err.removeprefix("ctrbench: ").strip()


def amazon(root: Path, reviews: Sequence[dict[str, object]], category: str = "Gift_Cards") -> None:
    """A category's files."""
    root.mkdir(exist_ok=True)
    usual = {"reviewerID": "U", "asin": "P", "overall": 5, "unixReviewTime": 1_500_000_000}
    lines = (json.dumps({**usual, **review}) + "\n" for review in reviews)
    (root / f"{category}.json").write_text("".join(lines))
    (root / f"meta_{category}.json").write_text(json.dumps({"asin": "P", "title": category}) + "\n")


def prepare_amazon(root: Path) -> int:
    return main(["data", "prepare", "amazon2018", "--root", str(root), "--out", str(root.parent / "out")])


def test_labels_that_are_all_missing(refused: Refused) -> None:
    empty = refused(ROWS, changed=lambda rows: rows.with_columns(rating=pl.lit(None, pl.Float64)))
    assert empty == "the column 'rating' is empty in all 40 rows: check the files"


@pytest.mark.parametrize(("rating", "label"), [(5.0, 1), (1.0, 0)])
def test_labels_of_one_class(refused: Refused, rating: float, label: int) -> None:
    told = refused(ROWS, changed=lambda rows: rows.with_columns(rating=pl.lit(rating)))
    assert told.startswith(f"all 40 rows have the label {label}, so nothing can be learnt")
    assert "positive_above" in told


def test_labels_that_are_neither_0_nor_1(refused: Refused) -> None:
    told = refused(ROWS, changed=lambda rows: rows.drop("rating").with_columns(label=pl.int_range(pl.len()) % 3))
    assert told == "labels are to be 0 or 1, and the data has 2"


def test_one_class_in_one_domain_is_noted(prepared: Prepare) -> None:
    data = prepared([*ROWS, *[("c", f"u{n}", "i1", n, 5.0) for n in range(10)]])
    found = [(p.reason, p.domain, p.count, p.error) for p in data.manifest.problems]
    assert found == [("row of a domain whose labels are all 1: no AUC there", "c", 10, False)]


def test_seconds_and_milliseconds_in_one_column(refused: Refused) -> None:
    def changed(rows: pl.DataFrame) -> pl.DataFrame:
        read = rows.with_row_index("_line", offset=1).with_columns(_file=pl.lit("log.csv"))
        return read.with_columns(time=pl.when(pl.col("_line") == 5).then(1_500_000_004_000).otherwise("time"))

    told = refused(ROWS, changed=changed)
    assert told.startswith("times are in mixed units: 1 of 40 are no seconds since 1970")
    assert "see log.csv:5: user u0, item i4, time 1500000004000: bring them to one unit" in told


def test_of_mixed_units_the_rarer_are_shown(refused: Refused) -> None:
    milliseconds = pl.when(pl.col("time") != 1003).then(pl.col("time") * 10**9).otherwise("time")
    told = refused(ROWS, changed=lambda rows: rows.with_columns(time=milliseconds))
    assert "time 1003" in told
    assert "39 of 40" in told


def test_times_before_1970_and_in_the_future_are_noted(prepared: Prepare) -> None:
    tomorrow = int(time.time()) + 3 * 86_400
    data = prepared([*ROWS, ("a", "u1", "i1", -5, 1.0), ("a", "u1", "i2", tomorrow, 1.0)])
    found = {p.reason.split(" (")[0]: p for p in data.manifest.problems}
    assert set(found) == {"time before 1970", "time in the future"}
    assert found["time before 1970"].examples == ("user u1, item i1, time -5",)
    assert not any(p.error for p in found.values())


def test_one_user_with_most_of_a_large_dataset_is_noted(prepared: Prepare) -> None:
    robot: list[Row] = [("a", "robot", f"i{n % 50}", n, float(n % 5 + 1)) for n in range(3000)]
    others: list[Row] = [("a", f"u{n % 900}", f"i{n % 50}", n, float(n % 5 + 1)) for n in range(9000)]
    found = prepared([*robot, *others]).manifest.problems
    assert [(p.reason[:34], p.count, p.examples) for p in found] == [
        ("rows of one user, 25% of all (a ro", 3000, ("user robot",))
    ]
    assert not prepared(robot, out="small").manifest.problems


@pytest.mark.slow
def test_one_user_with_a_million_rows_is_prepared(prepared: Prepare) -> None:
    data = prepared([("a", "robot", f"i{n % 999}", n, float(n % 5 + 1)) for n in range(1_000_000)])
    assert data.counts("train")["a"] == 800_000


def test_a_domain_of_three_rows_is_prepared_and_what_it_lacks_is_noted(prepared: Prepare) -> None:
    data = prepared([*ROWS, *[("c", f"u{n}", "i1", n, float(n + 2)) for n in range(3)]])
    assert [data.counts(split)["c"] for split in ("train", "valid", "test")] == [2, 0, 1]
    assert [(p.reason, p.domain) for p in data.manifest.problems] == [("no rows in the split 'valid'", "c")]


@pytest.mark.slow
def test_a_domain_of_three_rows_is_a_word_in_a_table(
    prepared: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = prepared([*ROWS, *[("c", f"u{n}", "i1", n, float(n + 2)) for n in range(3)]])
    words = ["run", "table3", "--dataset", str(data.path), "--results", str(tmp_path / "results"), "-q"]
    sizes = [f"--set={m}.config.embedding_dim=4" for m in ("deepfm", "shared_bottom")]
    assert main([*words, "--models", "deepfm,shared_bottom", *sizes]) == 1
    table = capsys.readouterr().out
    assert "deepfm on c, seed 0, failed: the valid split holds no rows of c; choose other domains" in table
    assert "No AUC: the test rows are all of one class." in table


@pytest.mark.parametrize(
    "name",
    [
        *("a.b", "a/b", "a\\b", "a:b", "a,b", "a\tb", "a\n", " a", "a ", "..", ".", "", "-", "\N{GRINNING FACE}"),
        *("CON", "nul", "com1", "x" * (LONGEST + 1), "a\0b", *RESERVED),
    ],
)
def test_a_name_that_no_domain_can_have(refused: Refused, name: str) -> None:
    told = refused([*ROWS, (name, "u0", "i0", 1, 5.0)])
    assert told.startswith("the data has a domain named ")
    if name not in RESERVED:
        suggested = told.rsplit("call it '", 1)[1].removesuffix("', say")
        assert is_legal(suggested)


@pytest.mark.parametrize("name", ["Gift Cards", "R&B", "été", "子供", "25_34", "co-op", "x" * LONGEST, "children's"])
def test_a_name_that_works_everywhere(prepared: Prepare, name: str) -> None:
    assert name in prepared([*ROWS, (name, "u0", "i0", 1, 5.0)]).domains


def test_one_file_under_two_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "raw"
    amazon(root, [{"overall": n % 5 + 1, "unixReviewTime": n} for n in range(9)])
    amazon(root, [{"overall": n % 5 + 1, "unixReviewTime": n} for n in range(9)], "All_Beauty")
    told = _sentence(prepare_amazon(root), tmp_path, capsys)
    assert "Gift_Cards.json and All_Beauty.json are the same file under two names" in told
    assert told.endswith("remove one of them")


def test_a_prepared_folder_of_another_format(prepared: Prepare, capsys: pytest.CaptureFixture[str]) -> None:
    data = prepared(ROWS)
    manifest = data.path / "manifest.json"
    whole = manifest.read_text()
    manifest.write_text(whole.replace('"format": 1', '"format": 99'))
    for verb in (["data", "audit"], ["data", "describe"], ["run", "table3", "--dataset"]):
        assert main([*verb, str(data.path)]) == 2
        said = capsys.readouterr().err
        assert "has format 99, this ctrbench reads format 1: prepare the dataset again\n" in said
        assert said.count("\n") == 1
    manifest.write_text(whole.replace('"window": 5', '"windows": 5'))
    assert main(["data", "audit", str(data.path)]) == 2
    assert "prepared with options that this ctrbench does not know (windows)" in capsys.readouterr().err
