"""Prepared data passes its audit; damage of every kind is found by the check that speaks of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from ctrbench.data.audit import Audit, audit
from ctrbench.data.audit_check import Check
from ctrbench.data.audit_histories import percent
from ctrbench.data.options import PrepareOptions
from ctrbench.data.prepare import prepare
from ctrbench.data.problems import Problems
from ctrbench.data.source import Field, Prompt
from ctrbench.data.split import SPLITS, Split
from ctrbench.data.store import MANIFEST, PreparedDataset
from ctrbench.errors import DataError

from .conftest import FrameSource, Prepare, Row

ROWS: list[Row] = [
    ("ab"[n % 2], f"u{n * 7 % 5}", f"i{n * 5 % 11}", 1000 + n * 7919 % 300, float(n % 3 + 3)) for n in range(300)
]
FINGERPRINT = "the files are those that the fingerprint is of"
COUNTS = "each split and domain has as many rows as the manifest says"
VALUES = "row ids are dense, labels 0 or 1, domains, items and users known"
ORDER = "rows stand by domain, time and row id"
PRECEDES = "train precedes valid precedes test in every domain"
TWICE = "no (domain, user, item, time) stands twice"
TWO_SPLITS = "no (user, item, time) stands in two splits"
LATE = "no history holds an item at or after its row's time"
FOREIGN = "histories hold items of the same user's positive rows only"
LAST = "a history is the user's last 5 positive rows before the row, oldest first"
TARGET = "a row's own item is in its history only if bought before"
ACROSS = "no training row's history shows another domain's items from its validation or test period"

Change = Callable[[pl.DataFrame], pl.DataFrame]


def found(data: PreparedDataset) -> dict[str, Check]:
    return {check.name: check for check in audit(PreparedDataset.open(data.path)).checks}


def failing(data: PreparedDataset) -> set[str]:
    return {name for name, check in found(data).items() if check.result == "fails"}


def change(data: PreparedDataset, split: Split, changed: Change) -> None:
    file = data.path / f"{split}.parquet"
    frame = pl.read_parquet(file)
    after = changed(frame)
    assert not frame.equals(after)
    after.write_parquet(file)


def put(frame: pl.DataFrame, row_id: int, **values: object) -> pl.DataFrame:
    """The row with other values."""
    here = pl.col("row_id") == row_id
    new = [pl.when(here).then(pl.lit(v, frame.schema[k])).otherwise(k).alias(k) for k, v in values.items()]
    return frame.with_columns(new)


def one(frame: pl.DataFrame, *kept: pl.Expr) -> dict[str, Any]:
    """Some row of this kind."""
    return frame.filter(*kept).row(-1, named=True)


LONG = pl.col("history").list.len() >= 3


@pytest.mark.parametrize("rule", ["time", "global_time", "random"])
@pytest.mark.parametrize("history", ["all", "domain"])
@pytest.mark.parametrize("window", [0, 5])
def test_what_is_prepared_passes(prepared: Prepare, rule: str, history: str, window: int) -> None:
    assert failing(prepared(ROWS, split=rule, history=history, window=window)) == set()


def test_an_item_from_the_rows_own_time_or_later(prepared: Prepare) -> None:
    data = prepared(ROWS)
    later = one(data.rows("test"), pl.col("label") == 1)

    def show_later(train: pl.DataFrame) -> pl.DataFrame:
        # Of an item that the user gets for the first time in the test period, there is none: make the row the first.
        row = one(train, pl.col("user") == later["user"], LONG)
        return put(train, row["row_id"], history=[*row["history"][1:], "i_new"])

    items = pl.read_parquet(data.path / "items.parquet")
    new = items.head(1).with_columns(item=pl.lit("i_new"), item_index=pl.lit(items.height, pl.Int64))
    pl.concat([items, new]).write_parquet(data.path / "items.parquet")
    change(data, "test", lambda test: put(test, later["row_id"], item="i_new"))
    change(data, "train", show_later)
    bad = found(data)[LATE]
    assert (bad.result, bad.found) == ("fails", "1 rows")
    assert bad.details[0].startswith("row_id ")


def test_a_shifted_time(prepared: Prepare) -> None:
    data = prepared(ROWS)
    row = one(data.rows("train"), pl.col("label") == 1, pl.col("domain") == "a")
    change(data, "train", lambda train: put(train, row["row_id"], time=5000))
    assert {FINGERPRINT, PRECEDES} <= failing(data)
    assert found(data)[PRECEDES].details[0].startswith("row_id ")


def test_the_target_in_its_own_history(prepared: Prepare) -> None:
    once: list[Row] = [("a", f"u{n % 3}", f"i{n:03}", n, 1.0 if n == 5 else 5.0) for n in range(60)]
    data = prepared(once)
    row = one(data.rows("test"))
    change(data, "test", lambda test: put(test, row["row_id"], history=[*row["history"][1:], row["item"]]))
    bad = failing(data)
    assert {FINGERPRINT, TARGET, LATE} == bad
    assert found(data)[TARGET].details == (f"row_id {row['row_id']} (test of a, time {row['time']})",)


def test_what_was_bought_before_may_be_shown(prepared: Prepare) -> None:
    again: list[Row] = [("a", "u", f"i{n % 2}", n, 5.0) for n in range(30)] + [("a", "v", "i0", 0, 1.0)]
    check = found(prepared(again))[TARGET]
    assert (check.result, check.found) == ("holds", "28 rows were bought before")


@pytest.mark.parametrize("pair", [("train", "test"), ("train", "valid"), ("valid", "test")])
def test_rows_swapped_between_splits(prepared: Prepare, pair: tuple[Split, Split]) -> None:
    data = prepared(ROWS)
    first, second = (data.rows(split).filter(domain="a") for split in pair)
    taken, given = first.head(1), second.tail(1)
    for split, out, into in ((pair[0], taken, given), (pair[1], given, taken)):
        change(data, split, lambda rows, out=out, into=into: _exchange(rows, out, into))  # type: ignore[misc]
    assert failing(data) == {FINGERPRINT, PRECEDES}


def _exchange(rows: pl.DataFrame, out: pl.DataFrame, into: pl.DataFrame) -> pl.DataFrame:
    kept = pl.concat([rows.filter(pl.col("row_id") != out["row_id"].item()), into])
    return kept.sort("row_id")


def test_rows_of_one_time_swapped_between_splits(prepared: Prepare) -> None:
    tied: list[Row] = [("a", f"u{n}", f"i{n}", 7, float(n % 2 * 4 + 1)) for n in range(30)]
    data = prepared(tied)
    assert "3 test rows are of the time at which the rows before them end" in found(data)[PRECEDES].found
    taken, given = data.rows("train").head(1), data.rows("test").tail(1)
    change(data, "train", lambda rows: _exchange(rows, taken, given))
    change(data, "test", lambda rows: _exchange(rows, given, taken))
    assert failing(data) == {FINGERPRINT, PRECEDES}


def test_a_global_cut_off_holds_for_all_domains_together(prepared: Prepare) -> None:
    rows: list[Row] = [("ab"[n >= 50], f"u{n % 7}", f"i{n}", n, float(n % 2 * 4 + 1)) for n in range(100)]
    assert failing(prepared(rows)) == set()
    data = prepared(rows, split="global_time")
    assert failing(data) == set()
    manifest = data.path / "manifest.json"
    local = prepared(rows, out="local")
    text = (local.path / "manifest.json").read_text()
    (local.path / "manifest.json").write_text(text.replace('"split": "time"', '"split": "global_time"'))
    assert manifest.is_file()
    assert "train precedes valid precedes test in all domains together" in failing(local)


def test_a_negative_item_in_a_history(prepared: Prepare) -> None:
    data = prepared([*ROWS, ("a", "u0", "disliked", 1000, 1.0)])
    row = one(data.rows("train"), pl.col("user") == "u0", LONG)
    change(data, "train", lambda train: put(train, row["row_id"], history=["disliked", *row["history"][1:]]))
    assert failing(data) == {FINGERPRINT, FOREIGN}


@pytest.mark.parametrize(
    "damage",
    [
        lambda items: items[::-1],
        lambda items: items[1:],
        lambda items: [items[0], *items],
        lambda items: [],
        lambda items: [items[0]] * len(items),
    ],
    ids=["reordered", "shortened", "lengthened", "emptied", "repeated"],
)
def test_a_history_that_is_not_the_last_items_in_order(
    prepared: Prepare, damage: Callable[[list[str]], list[str]]
) -> None:
    data = prepared(ROWS)
    different = pl.col("history").list.n_unique() >= 3
    row = one(data.rows("valid"), different, ~pl.col("history").list.contains(pl.col("item")))
    change(data, "valid", lambda rows: put(rows, row["row_id"], history=damage(row["history"])))
    assert failing(data) == {FINGERPRINT, LAST}


def test_of_a_random_split_a_history_that_shows_a_test_row(prepared: Prepare) -> None:
    once: list[Row] = [("a", f"u{n % 3}", f"i{n:03}", n, 5.0 if n else 1.0) for n in range(100)]
    data = prepared(once, split="random")
    assert failing(data) == set()
    shown = data.rows("test").row(0, named=True)
    later = one(data.rows("train"), pl.col("user") == shown["user"], pl.col("time") > shown["time"], LONG)
    history = [*later["history"][1:], shown["item"]]
    change(data, "train", lambda rows: put(rows, later["row_id"], history=history))
    assert failing(data) == {FINGERPRINT, "histories hold items of the same user's positive training rows only"}


def test_of_a_random_split_times_say_nothing(prepared: Prepare) -> None:
    checks = found(prepared(ROWS, split="random"))
    assert checks["train precedes valid precedes test"].result == checks[ACROSS].result == "allowed"


def test_a_row_that_stands_twice(prepared: Prepare) -> None:
    data = prepared(ROWS)
    change(data, "test", lambda test: pl.concat([test, test.tail(1)]))
    assert failing(data) == {FINGERPRINT, COUNTS, VALUES, ORDER, TWICE}


def test_a_row_in_two_splits(prepared: Prepare) -> None:
    data = prepared(ROWS)
    first = data.rows("train").head(1)
    change(data, "valid", lambda valid: pl.concat([valid, first]).sort("row_id"))
    assert {TWO_SPLITS, TWICE, COUNTS, VALUES} <= failing(data)


def test_one_event_in_two_domains_is_a_leak_only_across_splits(prepared: Prepare) -> None:
    both: list[Row] = [("a", "u", "twin", 50, 5.0), ("b", "u", "twin", 50, 5.0)]
    early: list[Row] = [("a", f"v{n}", "x", n, 1.0) for n in range(40)]
    late: list[Row] = [("b", f"v{n}", "x", 60 + n, 5.0) for n in range(40)]
    data = prepared([*early, *late, *both])
    check = found(data)[TWO_SPLITS]
    assert check.result == "fails"
    assert "1 events do; 1 in a and b; prepare with --global-cutoff" in check.found
    assert failing(prepared([*early, *late, *both], split="global_time", out="global")) == set()


def test_repeats_that_were_kept_are_allowed(prepared: Prepare) -> None:
    data = prepared([*ROWS, ROWS[0]], dedupe=False)
    assert found(data)[TWICE].result == "allowed"


def test_truncated_files(prepared: Prepare) -> None:
    data = prepared(ROWS)
    change(data, "train", lambda rows: rows.head(-1))
    assert {FINGERPRINT, COUNTS, VALUES} <= failing(data)
    file = data.path / "test.parquet"
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"cannot be read .*: prepare the dataset again"):
        audit(data)


@pytest.mark.parametrize(
    ("column", "value"),
    [("label", 2), ("label", None), ("item", "unheard-of"), ("domain", "c"), ("user_index", 99), ("time", None)],
)
def test_values_that_cannot_be(prepared: Prepare, column: str, value: object) -> None:
    data = prepared(ROWS)
    row = data.rows("test").row(0, named=True)
    change(data, "test", lambda rows: put(rows, row["row_id"], **{column: value}))
    assert {VALUES, FINGERPRINT} <= failing(data)


def test_items_that_are_not_numbered_by_their_place(prepared: Prepare) -> None:
    data = prepared(ROWS)
    pl.read_parquet(data.path / "items.parquet").reverse().write_parquet(data.path / "items.parquet")
    assert {VALUES, FINGERPRINT} <= failing(data)


def test_a_file_without_a_column_is_one_sentence(prepared: Prepare) -> None:
    data = prepared(ROWS)
    change(data, "test", lambda rows: rows.drop("history"))
    with pytest.raises(DataError, match=r"test\.parquet has no column 'history': prepare the dataset again"):
        audit(data)


def test_what_training_rows_show_of_other_domains_test_periods_is_told(prepared: Prepare) -> None:
    """b ends long before a: a's training rows show what b's test rows are about."""
    rows: list[Row] = [("b", "u", f"b{n:02}", n, 5.0) for n in range(10)]
    rows += [("a", "u", f"a{n:02}", 100 + n, 5.0 if n < 9 else 1.0) for n in range(10)]
    data = prepared(rows)
    check = found(data)[ACROSS]
    assert check.result == "allowed"
    # Of a's 8 training rows the first 5 show an item of b's test split (b09), the last of all.
    assert check.found.startswith("5 of 16 training rows do (31.2 %)")
    # Their histories hold 5, 4, 3, 2 and 1 items of b, of which all but b00 to b07 come after b's training period.
    assert check.details[0].startswith("of 15 items from other domains in all histories 9 (60.0 %) come from after")
    assert check.details[3] == "a: train 62.5 % (62.5 %), valid 0.0 % (0.0 %), test 0.0 % (0.0 %)"
    assert failing(prepared(rows, split="global_time", out="global")) == set()
    assert found(prepared(rows, history="domain", out="own"))[ACROSS].result == "holds"


FEATURES = "no feature of a row is its label in other words"
Values = Callable[[pl.Expr, pl.Expr], pl.Expr]


@pytest.fixture
def with_feature(tmp_path: Path) -> Callable[..., PreparedDataset]:
    """Prepared rows with one feature more, made of their label and their place."""

    def make(kind: Any, value: Values) -> PreparedDataset:
        class Source(FrameSource):
            fields: ClassVar = (*FrameSource.fields, *([Field(name="extra", kind=kind)] if kind else []))
            prompts: ClassVar = FrameSource.prompts if kind else {"default": Prompt(template="{user} {item} {extra}")}

            def interactions(self, root: Path, problems: Problems) -> pl.LazyFrame:
                made = value((pl.col("rating") > 3).cast(pl.Int64), pl.int_range(pl.len()))
                return self.rows.lazy().with_columns(extra=made)

        (tmp_path / "raw").mkdir()
        return prepare(Source(ROWS), tmp_path / "raw", tmp_path / "out", source_name="frames")

    return make


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", lambda label, place: label * 4 + 1),
        ("id", lambda label, place: pl.when(label == 1).then(pl.lit("x") + (place % 7).cast(pl.String))),
        ("text", lambda label, place: pl.when(label == 1).then(pl.lit("seen ") + place.cast(pl.String))),
        ("number", lambda label, place: label * 1000.0 + place),
        ("number", lambda label, place: pl.when(label == 0).then(place / 7)),
        ("number", lambda label, place: place - label * 1000.0),
        (None, lambda label, place: label),
    ],
    ids=[
        "rating",
        "values of one label",
        "there for clicks only",
        "higher",
        "there for others only",
        "lower",
        "in a prompt",
    ],
)
def test_a_feature_that_is_the_label_in_other_words(
    with_feature: Callable[..., PreparedDataset], kind: str | None, value: Values
) -> None:
    data = with_feature(kind, value)
    assert failing(data) == {FEATURES}
    assert found(data)[FEATURES].found == "extra tells the label: leave it out, and prepare again"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", lambda label, place: label + place % 2),
        ("id", lambda label, place: place.cast(pl.String)),
        ("number", lambda label, place: place),
        ("number", lambda label, place: pl.lit(float("nan"))),
        ("number", lambda label, place: pl.when(place == 7).then(label)),
    ],
    ids=["related", "each row its own", "order", "missing", "nearly always missing"],
)
def test_a_feature_that_is_not(with_feature: Callable[..., PreparedDataset], kind: str, value: Values) -> None:
    data = with_feature(kind, value)
    assert found(data)[FEATURES].model_dump() == {
        "name": FEATURES, "result": "holds", "found": "1 feature of rows", "details": ()
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", lambda label, place: pl.when(place == 7).then(1 - label).otherwise(label) * 4 + 1),
        ("number", lambda label, place: pl.when(place == 6).then(1150).otherwise(label * 1000 + place)),
        ("id", lambda label, place: (pl.when(place == 7).then(1 - label).otherwise(label) * 4 + place % 4 + 1) % 8),
        ("text", lambda label, place: pl.when((label == 1) != (place == 7)).then("seen " + place.cast(pl.String))),
    ],
    ids=["rating", "higher", "values of one label", "there for clicks only"],
)
def test_a_dirty_row_does_not_silence_the_question_for_a_feature_that_nearly_is(
    with_feature: Callable[..., PreparedDataset], kind: str, value: Values
) -> None:
    told = found(with_feature(kind, value))[FEATURES]
    assert (told.result, told.found) == (
        "allowed", "extra alone ranks rows with AUC 0.99: is it known before the label?"
    )  # fmt: skip


def test_what_was_examined_is_told(prepared: Prepare) -> None:
    prompts = {"default": Prompt(template="{item} {title}")}
    data = prepared(ROWS)
    assert found(data)[FEATURES].found == "no features of rows"
    manifest = data.manifest.model_copy(update={"prompts": prompts})
    items = pl.read_parquet(data.path / "items.parquet").with_columns(title=pl.lit("x"))
    items.write_parquet(data.path / "items.parquet")
    (data.path / MANIFEST).write_text(manifest.model_dump_json())
    assert found(data)[FEATURES].found == (
        "no features of rows; features of items are not examined, as they are the same for all of an item's rows"
    )


def test_users_of_one_domain_cross_none(prepared: Prepare) -> None:
    check = found(prepared([(row[0], row[0] + row[1], *row[2:]) for row in ROWS]))[ACROSS]
    assert (check.result, check.found, check.details) == ("holds", "no history crosses domains", ())


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [(0, 9, "0.0 %"), (1, 642_683, "< 0.1 %"), (1, 1000, "0.1 %"), (9, 9, "100.0 %"), (0, 0, "-")],
)
def test_a_share_that_is_there_is_never_told_as_none(part: int, whole: int, told: str) -> None:
    assert percent(part, whole) == told


def test_recorded_options_that_are_refused_now_are_named(prepared: Prepare) -> None:
    data = prepared(ROWS)
    old = data.manifest.model_copy(update={"options": {**data.manifest.options, "split_seed": 3}})
    (data.path / MANIFEST).write_text(old.model_dump_json())
    with pytest.raises(DataError, match=r"split_seed=3 is of a random split, .*: prepare the dataset again"):
        audit(PreparedDataset.open(data.path))


def test_a_history_beside_the_frameworks_is_told(with_feature: Callable[..., PreparedDataset]) -> None:
    checks = found(with_feature("history", lambda label, place: pl.concat_list("item")))
    assert checks[LATE].result == "holds"
    brought = checks[f"{LATE} (column extra)"]
    assert brought.result == "allowed"
    assert "this cannot be proved" in brought.found
    assert brought.details


EVENTS = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from(["u", "v"]),
        st.sampled_from(["i1", "i2", "i3", "i4"]),
        st.integers(0, 12),
        st.sampled_from([2.0, 5.0]),
    ),
    min_size=8,
    max_size=40,
    unique_by=lambda row: (row[1], row[2], row[3]),
).filter(lambda rows: len({row[4] for row in rows}) == 2)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS, st.sampled_from(["time", "global_time", "random"]), st.sampled_from(["all", "domain"]), st.data())
def test_any_prepared_data_passes_and_any_damage_fails(
    tmp_path: Path, rows: list[Row], rule: Any, history: Any, data: st.DataObject
) -> None:
    for name in ("raw", "out"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
    (tmp_path / "raw").mkdir()
    options = PrepareOptions(split=rule, history=history, window=2)
    made = prepare(FrameSource(rows), tmp_path / "raw", tmp_path / "out", options, source_name="frames")
    assert failing(made) == set()
    split = data.draw(st.sampled_from([split for split in SPLITS if made.rows(split).height]))
    row = data.draw(st.sampled_from(made.rows(split).to_dicts()))
    damage = data.draw(st.sampled_from(["time", "history", "label", "item", "drop", "again"]))
    change(made, split, lambda frame: _damaged(frame, row, damage))
    assert not audit(made).passed
    wrong: Audit = audit(made)
    assert wrong.checks[0].result == "fails"  # whatever it is, the fingerprint is another
    if damage in ("drop", "again"):
        assert COUNTS in failing(made)
    if damage == "history":
        assert len(failing(made)) > 1


def _damaged(frame: pl.DataFrame, row: dict[str, Any], damage: str) -> pl.DataFrame:
    history: Sequence[str] = row["history"]
    here = pl.col("row_id") == row["row_id"]
    match damage:
        case "time":
            return put(frame, row["row_id"], time=row["time"] + 100)
        case "history":
            return put(frame, row["row_id"], history=[*history, row["item"]])
        case "label":
            return put(frame, row["row_id"], label=1 - row["label"])
        case "item":
            return put(frame, row["row_id"], item="other")
        case "drop":
            return frame.filter(~here)
        case _:
            return pl.concat([frame, frame.filter(here)])
