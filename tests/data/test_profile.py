from __future__ import annotations

import math
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest

from ctrbench.data.distributions import Distribution
from ctrbench.data.options import PrepareOptions
from ctrbench.data.periods import MOST, choose_period, moment, starts
from ctrbench.data.prepare import prepare
from ctrbench.data.problems import Problems
from ctrbench.data.profile import Profile, profile
from ctrbench.data.source import Field
from ctrbench.data.store import PreparedDataset
from ctrbench.errors import DataError

from .conftest import FrameSource, Prepare, Row, all_rows

DAY = 86_400


def random_rows(seed: int = 0, count: int = 600) -> list[Row]:
    """Three domains of unequal size over 100 days; some users and items of theirs are shared."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        domain = draw.choices("abc", (6, 3, 1))[0]
        user, item = int(draw.random() ** 2 * 60), int(draw.random() ** 3 * 40)
        time = 1_500_000_000 + draw.randrange(100 * DAY)
        rows.append((domain, f"u{user}", f"{domain if item > 3 else ''}i{item}", time, float(draw.randint(1, 5))))
    return rows


@pytest.fixture
def data(prepared: Prepare) -> PreparedDataset:
    return prepared(random_rows())


@pytest.fixture
def rows(data: PreparedDataset) -> list[dict[str, Any]]:
    return all_rows(data).to_dicts()


def of_domain(frame: pl.DataFrame, domain: str) -> list[dict[str, Any]]:
    return frame.filter(pl.col("domain") == domain).drop("domain").to_dicts()


def test_label_rate_per_week_is_that_of_a_plain_loop(data: PreparedDataset, rows: list[dict[str, Any]]) -> None:
    found = profile(data)
    assert found.period.name == "week"
    for domain in "abc":
        labels: dict[datetime, list[int]] = {}
        for row in rows:
            day = datetime.fromtimestamp(row["time"], UTC).replace(hour=0, minute=0, second=0)
            if row["domain"] == domain:
                labels.setdefault(day - timedelta(days=day.weekday()), []).append(row["label"])
        filled = [week for week in of_domain(found.over_time, domain) if week["rows"]]
        assert [week["start"] for week in filled] == sorted(labels)
        for week in filled:
            seen = labels[week["start"]]
            assert week["rows"] == len(seen)
            assert week["label_rate"] == pytest.approx(sum(seen) / len(seen))
            assert 0 <= week["low"] <= week["label_rate"] + 1e-12
            assert week["label_rate"] - 1e-12 <= week["high"] <= 1


def test_the_interval_is_wilsons(prepared: Prepare) -> None:
    """Published: 0 of 10 gives 0 to 0.2775."""
    rows: list[Row] = [("a", f"u{n}", "i", 1, 1.0) for n in range(10)]
    found = profile(prepared([*rows, ("b", "u", "i", 1, 5.0)])).over_time.row(0, named=True)
    assert (found["rows"], found["label_rate"]) == (10, 0)
    assert found["low"] == pytest.approx(0, abs=1e-12)
    assert found["high"] == pytest.approx(0.2775, abs=1e-4)


def test_a_period_without_rows_stands_there_empty(prepared: Prepare) -> None:
    found = profile(prepared([("a", "u", "i", day * DAY, 5.0) for day in (0, 3, 30)] + [("b", "u", "i", 9 * DAY, 1.0)]))
    assert found.period.name == "day"
    a, b = (of_domain(found.over_time, domain) for domain in "ab")
    assert (len(a), len(b)) == (31, 1)
    assert [day["start"].day for day in a if day["rows"]] == [1, 4, 31]
    assert all(day["label_rate"] is None and day["low"] is None for day in a if not day["rows"])


@pytest.mark.parametrize(
    ("days", "name"),
    [
        (0, "hour"),
        (1, "hour"),
        (30, "day"),
        (200, "week"),
        (3 * 365, "month"),
        (10 * 365, "quarter"),
        (40 * 365, "year"),
        (300 * 365, "ten years"),
        (9999 * 365, "thousand years"),
    ],
)
def test_periods_are_as_short_as_their_number_allows(days: int, name: str) -> None:
    period = choose_period(1_000_000_000, 1_000_000_000 + days * DAY)
    assert period.name == name
    assert len(starts(period, 1_000_000_000, 1_000_000_000 + days * DAY)) <= MOST


def test_times_that_no_calendar_has_are_still_some_moment() -> None:
    """Nanoseconds taken for seconds, say."""
    times = pl.DataFrame({"time": [-(10**18), 0, 10**18]})
    assert [when.year for when in times.select(moment(pl.col("time"))).to_series()] == [1, 1970, 9999]


def test_cuts_are_where_later_splits_begin(data: PreparedDataset, rows: list[dict[str, Any]]) -> None:
    first = {split: data.rows(split).group_by("domain").agg(pl.col("time").min()) for split in ("valid", "test")}  # type: ignore[arg-type]
    expected = {(domain, split): time for split, frame in first.items() for domain, time in frame.iter_rows()}
    found = {(domain, split): int(start.timestamp()) for domain, split, start in profile(data).cuts.iter_rows()}
    assert found == expected
    assert len(found) == 6


def test_random_splits_have_no_cuts(prepared: Prepare) -> None:
    assert profile(prepared(random_rows(), split="random")).cuts.is_empty()


def test_history_lengths_are_those_of_a_plain_loop(data: PreparedDataset, rows: list[dict[str, Any]]) -> None:
    lengths = Counter((row["domain"], len(row["history"])) for row in rows)
    found = profile(data).histories
    for domain in "abc":
        total = sum(count for (name, _), count in lengths.items() if name == domain)
        for length, each in enumerate(of_domain(found, domain)):
            assert (each["label"], each["count"]) == (str(length), lengths[domain, length])
            assert each["share"] == pytest.approx(lengths[domain, length] / total)


@pytest.mark.parametrize(("of", "key"), [("items", "item"), ("users", "user")])
def test_frequencies_are_those_of_a_plain_loop(
    data: PreparedDataset, rows: list[dict[str, Any]], of: str, key: str
) -> None:
    found = profile(data)
    for domain in "abc":
        counts = sorted(Counter(row[key] for row in rows if row["domain"] == domain).values(), reverse=True)
        for each in of_domain(found.frequency.filter(pl.col("of") == of), domain):
            low, _, high = each["label"].partition("-")
            assert each["count"] == sum(int(low) <= count <= int(high or low) for count in counts)
        (top,) = of_domain(found.top.filter(pl.col("of") == of), domain)
        assert top["distinct"] == len(counts)
        for share, name in ((0.01, "top 1%"), (0.1, "top 10%")):
            assert top[name] == pytest.approx(sum(counts[: math.ceil(len(counts) * share)]) / sum(counts))


@pytest.mark.parametrize(("of", "key"), [("items", "item"), ("users", "user")])
def test_overlap_is_that_of_sets(data: PreparedDataset, rows: list[dict[str, Any]], of: Any, key: str) -> None:
    members = {domain: {row[key] for row in rows if row["domain"] == domain} for domain in "abc"}
    found = profile(data).overlap[of]
    assert found.height == 9
    for domain, other, shared, share in found.iter_rows():
        assert shared == len(members[domain] & members[other])
        assert share == pytest.approx(shared / len(members[domain]))


def test_unseen_shares_are_those_of_sets(data: PreparedDataset) -> None:
    train = data.rows("train")
    users, items = set(train["user"]), set(train["item"])
    for domain, split, user, item, either in profile(data).unseen.iter_rows():
        rows = data.rows(split, [domain])
        new = [(row["user"] not in users, row["item"] not in items) for row in rows.to_dicts()]
        assert user == pytest.approx(sum(u for u, _ in new) / len(new))
        assert item == pytest.approx(sum(i for _, i in new) / len(new))
        assert either == pytest.approx(sum(u or i for u, i in new) / len(new))


class Described(FrameSource):
    """Items with a number and a text, rows with a number; some are missing."""

    fields: ClassVar = (
        *FrameSource.fields,
        Field(name="cost <b>", kind="number", of="item"),
        Field(name="title", kind="text", of="item"),
        Field(name="hour", kind="number"),
    )
    costs: ClassVar[list[float | None]] = [1.5, None, math.nan, math.inf, 4.0]
    titles: ClassVar[list[str | None]] = ["ab", "  ", None, "日本語", " abcd "]

    def interactions(self, root: Path, problems: Problems) -> pl.LazyFrame:
        return self.rows.lazy().with_columns(hour=pl.col("time") % 24)

    def items(self, root: Path, problems: Problems) -> pl.LazyFrame:
        return pl.LazyFrame({"item": [f"i{n}" for n in range(5)], "cost <b>": self.costs, "title": self.titles})


@pytest.fixture
def described(tmp_path: Path) -> Profile:
    rows: list[Row] = [("a", f"u{n}", f"i{n % 5}", n, 5.0) for n in range(20)] + [("b", "u", "i2", 3, 1.0)]
    return profile(prepare(Described(rows), tmp_path, tmp_path / "out", PrepareOptions(), source_name="described"))


def by_name(found: Profile, name: str) -> Distribution:
    return next(each for each in found.distributions if each.field.name == name)


def test_numbers_and_texts_are_those_of_the_manifest(described: Profile) -> None:
    assert [(each.field.name, each.over) for each in described.distributions] == [
        ("cost <b>", "items"),
        ("title", "items"),
        ("hour", "rows"),
    ]


def test_a_number_of_items_is_counted_once_per_item_of_a_domain(described: Profile) -> None:
    found = by_name(described, "cost <b>")
    assert of_domain(found.summary, "a") == [
        {"values": 2, "missing": 0.6, "smallest": 1.5, "median": 2.75, "mean": 2.75, "largest": 4.0}
    ]
    assert sum(each["count"] for each in of_domain(found.bins, "a")) == 2
    assert of_domain(found.summary, "b")[0]["missing"] == 1
    assert of_domain(found.bins, "b") == []


def test_texts_count_characters_and_blanks_are_missing(described: Profile) -> None:
    found = by_name(described, "title")
    assert {each["label"]: each["count"] for each in of_domain(found.bins, "a")} == {"2": 1, "3": 1, "4": 1}
    assert of_domain(found.summary, "a")[0]["missing"] == 0.4


def test_a_number_of_rows_is_counted_per_row(described: Profile) -> None:
    assert of_domain(by_name(described, "hour").summary, "a")[0]["values"] == 20


def test_domains_stand_in_canonical_order(data: PreparedDataset) -> None:
    found = profile(data)
    for frame in (found.over_time, found.histories, found.unseen, found.top.filter(pl.col("of") == "users")):
        assert tuple(frame["domain"].unique(maintain_order=True)) == data.domains


def test_a_row_per_domain_is_enough(prepared: Prepare) -> None:
    found = profile(prepared([("a", "u", "i", 7, 1.0), ("b", "v", "j", 7, 5.0)]))
    assert found.over_time.select("rows", "label_rate").rows() == [(1, 0.0), (1, 1.0)]
    assert found.histories["label"].to_list() == ["0", "0"]


def test_a_damaged_file_is_one_sentence(data: PreparedDataset) -> None:
    (data.path / "train.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"prepare the dataset again$"):
        profile(data)
