from __future__ import annotations

import errno
import os
import socket
from math import nan
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ctrbench.data import prepare as module
from ctrbench.data.options import PrepareOptions
from ctrbench.data.prepare import prepare
from ctrbench.data.problems import Problems
from ctrbench.data.progress import Stage
from ctrbench.data.resolve import open_dataset, sort_options
from ctrbench.data.split import SPLITS
from ctrbench.data.steps import MIDDLE
from ctrbench.data.store import PreparedDataset, rows_hash
from ctrbench.errors import ConfigError, DataError, OutputError, PluginError
from ctrbench.files import unwritable
from tests.fakes import entry, register

from .conftest import FrameSource, Prepare, Row, all_rows

ROWS: list[Row] = [
    (domain, f"u{n % 4}", f"i{n % 7}", 1000 + n // 2, float(n % 5 + 1)) for domain in "ab" for n in range(20)
]


def test_columns_types_and_order(prepared: Prepare) -> None:
    data = prepared(ROWS)
    rows = all_rows(data)
    assert dict(rows.schema) == {
        "row_id": pl.Int64,
        "domain": pl.String,
        "user": pl.String,
        "user_index": pl.Int64,
        "item": pl.String,
        "time": pl.Int64,
        "label": pl.Int8,
        "history": pl.List(pl.String),
    }
    assert rows["row_id"].to_list() == list(range(40))
    assert rows["domain"].to_list() == ["a"] * 20 + ["b"] * 20
    assert sorted(rows["user_index"].unique()) == [0, 1, 2, 3]
    assert data.items["item_index"].to_list() == list(range(7))
    assert data.domains == ("a", "b")
    assert data.manifest.domains == {"a": "A", "b": "The B"}


def test_train_ends_before_test_begins_in_every_domain(prepared: Prepare) -> None:
    data = prepared(ROWS)
    for domain in data.domains:
        train, test = data.rows("train", [domain])["time"], data.rows("test", [domain])["time"]
        assert train.max() <= test.min()  # type: ignore[operator]


def shown(data: PreparedDataset) -> pl.DataFrame:
    """Every item of every history, with the rows of the same user and item, their split, label and time."""
    made = [data.rows(split).with_columns(split=pl.lit(split)) for split in SPLITS]
    rows = pl.concat(made).select("user", "item", "time", "label", "split", "history")
    entries = rows.select("user", pl.col("time").alias("until"), pl.col("history").alias("item")).explode("item")
    return entries.drop_nulls("item").join(rows.drop("history"), on=["user", "item"], how="left")


MANY: list[Row] = [
    ("ab"[n % 2], f"u{n % 5}", f"i{n // 5}", 1000 + n * 7919 % 1000, float(n % 3 + 3)) for n in range(500)
]
"""No user has an item twice, so an item of a history stems from one row."""


@pytest.mark.parametrize("history", ["all", "domain"])
def test_with_a_random_split_no_history_shows_a_label_of_validation_or_test(prepared: Prepare, history: str) -> None:
    entries = shown(prepared(MANY, split="random", split_seed=3, history=history))
    assert len(entries) > 1000
    assert entries["split"].unique().to_list() == ["train"]
    assert entries["label"].unique().to_list() == [1]
    assert (entries["time"] < entries["until"]).all()


@pytest.mark.parametrize("split", ["time", "global_time"])
def test_with_a_split_by_time_histories_hold_what_is_known_by_then(prepared: Prepare, split: str) -> None:
    entries = shown(prepared(MANY, split=split))
    assert sorted(entries["split"].unique()) == ["test", "train", "valid"]
    assert (entries["time"] < entries["until"]).all()


def test_of_a_row_in_two_domains_the_one_in_train_may_be_shown(prepared: Prepare) -> None:
    """The same purchase, in train of one domain and in test of the other, is known from train."""
    twice: list[Row] = [(domain, "u", f"i{n}", n, 5.0) for n in range(40) for domain in "ab"]
    data = prepared([*twice, ("a", "v", "i0", -1, 1.0)], split="random", window=100)
    train = {(time, item) for time, item in data.rows("train").filter(label=1).select("time", "item").iter_rows()}
    for row in all_rows(data).iter_rows(named=True):
        assert row["history"] == [item for time, item in sorted(train) if time < row["time"]]


def test_labels_and_the_middle_rating(prepared: Prepare) -> None:
    rows: list[Row] = [("a", "u", f"i{n}", n, float(n % 5 + 1)) for n in range(10)]
    assert all_rows(prepared(rows))["label"].to_list() == [0, 0, 0, 1, 1] * 2
    dropped = prepared(rows, middle="drop")
    assert all_rows(dropped)["label"].to_list() == [0, 0, 1, 1] * 2
    assert [step.rows["a"] for step in dropped.manifest.steps if "middle" in step.name] == [8]
    told = [(p.reason, p.domain, p.count, p.error, p.examples) for p in dropped.manifest.problems]
    assert told == [(MIDDLE, "a", 2, False, ("user u, item i2, time 2", "user u, item i7, time 7"))]


def test_repeats_go_once_and_are_counted(prepared: Prepare) -> None:
    rows = [*ROWS, ("a", "u0", "i0", 1000, 5.0)]
    data = prepared(rows)
    assert all_rows(data).height == 40
    assert all_rows(data).filter(domain="a", user="u0", item="i0", time=1000)["label"].to_list() == [0]
    problem = data.manifest.problems[0]
    assert (problem.count, problem.domain, problem.error) == (1, "a", False)
    assert all_rows(prepared(rows, dedupe=False)).height == 41


def test_repeats_are_shown_in_the_order_of_the_files(prepared: Prepare) -> None:
    again: list[Row] = [("a", user, "i1", at, 5.0) for user, at in (("u9", 7), ("u1", 3), ("u5", 5))]
    problem = prepared([*again, *ROWS, *again]).manifest.problems[0]
    assert problem.examples == ("user u9, item i1, time 7", "user u1, item i1, time 3", "user u5, item i1, time 5")


def test_every_row_is_explained(prepared: Prepare) -> None:
    data = prepared([*ROWS, ROWS[0], ("b", "u9", "unknown", 1, 5.0)], items=[f"i{n}" for n in range(7)])
    steps = {step.name: sum(step.rows.values()) for step in data.manifest.steps}
    left_out = sum(p.count for p in data.manifest.problems if p.table == "interactions")
    assert steps["read"] - left_out == steps["train"] + steps["valid"] + steps["test"] == 40


def test_rows_of_unknown_items_are_bad(prepared: Prepare) -> None:
    rows: list[Row] = [*ROWS, ("a", "u0", "unheard-of", 1, 5.0)]
    problem = prepared(rows, items=[f"i{n}" for n in range(7)]).manifest.problems[0]
    assert problem.error
    assert problem.examples == ("user u0, item unheard-of, time 1",)
    with pytest.raises(DataError, match="item unheard-of"):
        prepared(rows, items=[f"i{n}" for n in range(7)], strict=True, out="strict")


def test_incomplete_rows_of_a_source_are_bad(prepared: Prepare) -> None:
    broken = [
        (*ROWS[0][:4], None),
        ("a", None, "i0", 5, 1.0),
        ("b", "u0", "i0", None, 1.0),
        ("b", "u0", "i0", 5, nan),
    ]
    data = prepared([*ROWS, *broken])
    assert [(p.domain, p.count, p.error) for p in data.manifest.problems] == [("a", 2, True), ("b", 2, True)]
    assert all_rows(data).height == 40


def test_a_source_without_a_column_is_named(raw: Path) -> None:
    class NoTime(FrameSource):
        def interactions(self, root: Path, problems: Problems) -> pl.LazyFrame:
            return self.rows.lazy().drop("time")

    with pytest.raises(PluginError, match="interactions have no column 'time'"):
        prepare(NoTime(ROWS), raw, raw.parent / "out", source_name="frames")


def test_limit_takes_the_latest_rows_of_each_domain(prepared: Prepare) -> None:
    data = prepared(ROWS)
    full, limited = data.rows("train"), data.rows("train", limit=3)
    assert limited["row_id"].to_list() == [13, 14, 15, 33, 34, 35]
    assert set(limited["row_id"]) <= set(full["row_id"])
    assert data.rows("train", ["b"], limit=2)["row_id"].to_list() == [34, 35]


def test_an_unknown_domain_is_named_with_the_known_ones(prepared: Prepare) -> None:
    with pytest.raises(DataError, match=r"no domain 'c': it has a, b"):
        prepared(ROWS).rows("test", ["c"])


def test_the_order_of_the_files_rows_changes_nothing(prepared: Prepare) -> None:
    first, second = (
        prepared(ROWS, out="one"),
        prepared(sorted(ROWS, key=lambda row: (row[0], row[2])), out="two"),
    )
    assert first.fingerprint == second.fingerprint
    assert rows_hash(first.rows("test")) == rows_hash(second.rows("test"))


def test_fingerprint_and_test_hash_follow_the_content(prepared: Prepare) -> None:
    first = prepared(ROWS)
    other_label = prepared([*ROWS[:-1], (*ROWS[-1][:4], 1.0)], out="label")
    assert other_label.fingerprint != first.fingerprint
    assert rows_hash(other_label.rows("test")) != rows_hash(first.rows("test"))
    shorter = prepared(ROWS, out="window", window=1)
    assert shorter.fingerprint != first.fingerprint
    assert rows_hash(shorter.rows("test")) == rows_hash(first.rows("test"))


def test_the_fingerprint_is_the_same_on_every_machine(prepared: Prepare) -> None:
    assert prepared(ROWS).fingerprint == "09449503211773161b5d9a882c9d85b858b476ea09a6e98ad9a596c1e5874212"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "input.txt").write_text("1")
    return tmp_path / "raw"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("step", ["write_tables", "write_manifest"])
@pytest.mark.parametrize("fault", [KeyboardInterrupt, DataError, MemoryError])
def test_a_preparation_that_dies_leaves_nothing(
    raw: Path, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException], step: str
) -> None:
    def die(*args: object, **options: object) -> None:
        raise fault("in the middle")

    monkeypatch.setattr(module, step, die)
    with pytest.raises(fault):
        prepare(FrameSource(ROWS), raw, raw.parent / "out", source_name="frames")
    assert names(raw.parent) == ["raw"]


@pytest.mark.parametrize("name", ["out", "[out]*"])
def test_what_a_killed_process_left_is_cleared_away(raw: Path, name: str) -> None:
    dead = raw.parent / f".{name}.{socket.gethostname()}.999999999"
    alive = raw.parent / f".{name}.{socket.gethostname()}.{os.getppid()}"
    for folder in (dead, alive):
        folder.mkdir()
        (folder / "train.parquet").write_text("half")
    prepare(FrameSource(ROWS), raw, raw.parent / name, source_name="frames")
    assert names(raw.parent) == sorted([alive.name, name, "raw"])


def test_the_same_again_is_already_prepared(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = raw.parent / "out"
    prepare(FrameSource(ROWS), raw, out, source_name="frames")
    monkeypatch.setattr(module, "write_tables", lambda *args, **options: pytest.fail("prepared twice"))
    told: list[Stage] = []
    prepare(FrameSource(ROWS), raw, out, source_name="frames", progress=told.append)
    assert told[-1].name.startswith("already prepared")


def test_another_preparation_needs_overwrite(raw: Path) -> None:
    out = raw.parent / "out"
    first = prepare(FrameSource(ROWS), raw, out, source_name="frames")
    (raw / "input.txt").write_text("2")
    with pytest.raises(DataError, match="--overwrite"):
        prepare(FrameSource(ROWS), raw, out, source_name="frames")
    assert PreparedDataset.open(out).fingerprint == first.fingerprint
    prepare(FrameSource(ROWS[:-1]), raw, out, source_name="frames", overwrite=True)
    assert PreparedDataset.open(out).fingerprint != first.fingerprint
    assert names(raw.parent) == ["out", "raw"]


def test_another_version_of_the_source_is_another_preparation(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(FrameSource(ROWS), raw, raw.parent / "out", source_name="frames")
    monkeypatch.setattr(FrameSource, "version", "2")
    with pytest.raises(DataError, match="--overwrite"):
        prepare(FrameSource(ROWS), raw, raw.parent / "out", source_name="frames")


def test_a_folder_of_something_else_is_never_replaced(raw: Path) -> None:
    with pytest.raises(DataError, match="not a prepared dataset"):
        prepare(FrameSource(ROWS), raw, raw, source_name="frames", overwrite=True)
    assert (raw / "input.txt").read_text() == "1"


def test_an_unwritable_place_is_one_sentence(raw: Path) -> None:
    with pytest.raises(OutputError, match=r"^cannot write .*choose another folder"):
        prepare(FrameSource(ROWS), raw, raw / "input.txt" / "out", source_name="frames")


def test_no_usable_row_is_an_error(raw: Path) -> None:
    with pytest.raises(DataError, match="no usable row"):
        prepare(FrameSource(ROWS, items=["other"]), raw, raw.parent / "out", source_name="frames")
    assert names(raw.parent) == ["raw"]


def test_an_empty_split_is_noted(prepared: Prepare) -> None:
    reasons = [problem.reason for problem in prepared(ROWS[2:4]).manifest.problems]
    assert reasons == ["no rows in the split 'valid'"]


def test_opening_says_what_is_wrong(tmp_path: Path, prepared: Prepare) -> None:
    with pytest.raises(DataError, match="not a prepared dataset"):
        PreparedDataset.open(tmp_path)
    data = prepared(ROWS)
    manifest = data.path / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace('"format": 1', '"format": 0'))
    with pytest.raises(DataError, match="format 0, this ctrbench reads format 1"):
        PreparedDataset.open(data.path)
    manifest.write_text(text.replace('"synthetic": false', '"synthetic": "?"'))
    with pytest.raises(DataError, match="damaged \\(at synthetic\\)"):
        PreparedDataset.open(data.path)
    manifest.write_text(text[:50])
    with pytest.raises(DataError, match="cannot be read"):
        PreparedDataset.open(data.path)


def test_shares_must_leave_test_rows() -> None:
    with pytest.raises(ValueError, match="leave no test rows"):
        PrepareOptions(train=0.9, valid=0.1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"split_seed": 3}, "split_seed=3 is of a random split, and split is time"),
        ({"split_seed": 3, "split": "global_time"}, "split_seed=3 is of a random split, and split is global_time"),
        ({"new_user_rows": 3}, "new_user_rows=3 is of domain_by=new_user, and domain_by is not set"),
        ({"new_user_rows": 3, "domain_by": "user_group"}, "domain_by=new_user, and domain_by is user_group"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        sort_options(options, ())
    recorded = PrepareOptions().model_dump(mode="json")
    assert PrepareOptions.model_validate(recorded) == PrepareOptions()


def test_a_prepared_folder_may_be_asked_for_its_seed_alone(prepared: Prepare) -> None:
    data = prepared(ROWS, split="random", split_seed=3)
    assert open_dataset(data.path, options={"split_seed": 3}).fingerprint == data.fingerprint
    with pytest.raises(ConfigError, match="was prepared with split=random, not split=time"):
        open_dataset(data.path, options={"split": "time"})


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.EACCES, "choose another folder that you may write (--out)"),
        (errno.EROFS, "choose another folder that you may write (--out)"),
        (errno.EPERM, "choose another folder that you may write (--out)"),
        (errno.ENOSPC, "free space, or choose another folder (--out)"),
    ],
)
def test_more_space_is_not_the_advice_where_one_may_not_write(code: int, advice: str) -> None:
    said = unwritable(Path("out"), OSError(code, "why"), "free space, or choose another folder (--out)")
    assert str(said) == f"cannot write out (why); {advice}"


def test_strict_stops_at_the_first_bad_row_only() -> None:
    problems = Problems(strict=True)
    problems.add("a note", 3, error=False)
    problems.add("nothing", 0)
    with pytest.raises(DataError, match=r"f\.json:7: \{: broken"):
        problems.add("broken", 1, examples=["f.json:7: {"])


@pytest.mark.parametrize("name", ["own", "general", "mean", "oracle"])
def test_a_domain_cannot_have_the_name_of_a_head(prepared: Prepare, name: str) -> None:
    with pytest.raises(DataError, match=f"domain named '{name}', but own, general, mean, oracle"):
        prepared([*ROWS, (name, "u0", "i0", 1, 5.0)])


def test_a_prepared_dataset_says_who_brought_its_plugin_and_is_the_same_whoever_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unregistered = prepare(FrameSource(ROWS), tmp_path, tmp_path / "one", source_name="frames")
    register(monkeypatch, entry("ctrbench.datasets", "frames", "theirs:Frames", "their-dist"))
    registered = prepare(FrameSource(ROWS), tmp_path, tmp_path / "other", source_name="frames")
    assert unregistered.manifest.brought_by == {}
    assert registered.manifest.brought_by == {
        "distribution": "their-dist",
        "version": "1.0",
        "entry_point": "theirs:Frames",
    }
    assert registered.fingerprint == unregistered.fingerprint
