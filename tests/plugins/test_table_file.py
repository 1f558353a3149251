from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ctrbench.cli import main
from ctrbench.data.options import PrepareOptions
from ctrbench.data.prepare import prepare
from ctrbench.data.store import PreparedDataset
from ctrbench.errors import ConfigError, CtrbenchError, DataError
from ctrbench.features.prompt import render
from ctrbench_plugins.datasets.table_file import TableFile
from ctrbench_plugins.datasets.table_file.rows import NO_LABEL, NO_TIME
from tests.data.conftest import all_rows

COLUMNS = '[columns]\nuser = "uid"\nitem = "sku"\ntime = "ts"\nlabel = "clicked"\ndomain = "shop"\n'
HEAD = "uid,sku,ts,shop,clicked\n"
LINES = [f"u{n % 3},{n % 7:04d},{1_600_000_000 + n * 60},{'ab'[n % 2]},{n % 3 % 2}" for n in range(40)]
CSV = HEAD + "\n".join(LINES) + "\n"

Make = Callable[..., Path]


@pytest.fixture
def shop(tmp_path: Path) -> Make:
    """A TOML and a CSV file; other files, of text or bytes, by name with `.` written as `__`."""

    def make(
        toml: str = COLUMNS, csv: str | bytes | None = CSV, head: str = 'interactions = "clicks.csv"\n', **files: Any
    ):
        if csv is not None:
            files["clicks__csv"] = csv
        for name, content in files.items():
            path = tmp_path / name.replace("__", ".")
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        (tmp_path / "shop.toml").write_text(head + toml)
        return tmp_path / "shop.toml"

    return make


def prepared(toml: Path, strict: bool = False, **options: Any) -> PreparedDataset:
    out = toml.parent / "out"
    kind = PrepareOptions(**options)
    return prepare(TableFile(), toml, out, kind, strict=strict, overwrite=True, source_name="table_file")


def reasons(data: PreparedDataset) -> dict[str, tuple[int, str]]:
    return {p.reason: (p.count, next(iter(p.examples), "")) for p in data.manifest.problems}


def refusal(toml: Path, kind: type[CtrbenchError] = CtrbenchError) -> str:
    with pytest.raises(kind) as caught:
        prepared(toml)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What is read.
def test_a_csv_and_a_toml_make_a_dataset(shop: Make) -> None:
    data = prepared(shop())
    assert data.domains == ("a", "b")
    rows = all_rows(data)
    assert rows.height == 40
    assert rows["time"].min() == 1_600_000_000
    assert set(data.items["item"]) == {f"{n:04d}" for n in range(7)}, "ids that look like numbers stay text"
    assert data.manifest.source == "shop"
    assert data.manifest.plugin == "table_file"
    assert [file.path for file in data.manifest.inputs] == ["shop.toml", "clicks.csv"]


@pytest.mark.parametrize(
    "form", ["parquet", "jsonl", "tsv", "gz", "semicolon", "windows", "bom", "latin", "two files", "blank lines"]
)
def test_every_form_of_the_same_rows_gives_the_same_dataset(shop: Make, tmp_path: Path, form: str) -> None:
    expected = prepared(shop()).fingerprint
    frame = pl.read_csv(CSV.encode(), schema_overrides={"sku": pl.String})
    toml, head = COLUMNS, 'interactions = "rows.csv"\n'
    if form == "parquet":
        head = 'interactions = "rows.parquet"\n'
        frame.write_parquet(tmp_path / "rows.parquet")
    elif form == "jsonl":
        head = 'interactions = "rows.jsonl"\n'
        frame.write_ndjson(tmp_path / "rows.jsonl")
    elif form == "tsv":
        head = 'interactions = "rows.tsv"\n'
        (tmp_path / "rows.tsv").write_text(CSV.replace(",", "\t"))
    elif form == "gz":
        head = 'interactions = "rows.csv.gz"\n'
        (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    elif form == "two files":
        head = 'interactions = "part*.csv"\n'
        (tmp_path / "part1.csv").write_text(HEAD + "\n".join(LINES[:9]))
        (tmp_path / "part2.csv").write_text(HEAD + "\n".join(LINES[9:]))
    else:
        changed = {
            "semicolon": CSV.replace(",", ";").encode(),
            "windows": CSV.replace("\n", "\r\n").encode(),
            "bom": b"\xef\xbb\xbf" + CSV.encode(),
            "blank lines": CSV.replace("\n", "\n\n").encode(),
            "latin": CSV.encode("latin-1"),
        }
        (tmp_path / "rows.csv").write_bytes(changed[form])
        toml += '[csv]\nencoding = "latin-1"\n' if form == "latin" else ""
    data = prepared(shop(toml, csv=None, head=head))
    assert data.fingerprint == expected
    assert not [p for p in data.manifest.problems if p.error]


def test_features_have_their_kinds_owners_and_values(shop: Make) -> None:
    toml = (
        """
items = { files = "products.csv", key = "id" }
users = "people.csv"
"""
        + COLUMNS
        + """
[features.user]
age = "number"
recent = { kind = "history", column = "seen", separator = "|" }
[features.item]
title = "text"
brand = { kind = "id", column = "Brand Name" }
[features.context]
device = "id"
"""
    )
    lines = [f"{line},{['web', ''][n % 2]},{['0001 | 0002', '', '0003'][n % 3]}" for n, line in enumerate(LINES)]
    data = prepared(
        shop(
            toml,
            HEAD.replace("\n", ",device,seen\n") + "\n".join(lines),
            products__csv="id,title,Brand Name\n" + "".join(f'{n:04d},"a  {n},\nb",B{n % 2}\n' for n in range(7)),
            people__csv="uid,age\nu0,20\nu1,old\nu1,30\n",
        )
    )
    kinds = {field.name: (field.kind, field.of) for field in data.manifest.fields}
    assert kinds == {
        "user": ("id", "user"),
        "item": ("id", "item"),
        "age": ("number", "user"),
        "title": ("text", "item"),
        "brand": ("id", "item"),
        "device": ("id", "context"),
        "history": ("history", "user"),
        "recent": ("history", "user"),
        "domain": ("id", "context"),
    }
    rows = all_rows(data).sort("time")
    assert rows["recent"].to_list()[:3] == [["0001", "0002"], [], ["0003"]]
    assert rows["device"].to_list()[:2] == ["web", None]
    assert rows["age"].to_list()[:3] == [20.0, None, None]
    assert data.items.filter(item="0003").select("title", "brand").row(0) == ("a 3, b", "B1")
    told = reasons(data)
    assert told["age is not a number: missing"] == (1, "people.csv:3: old")
    assert told["user described again: the first description stands"] == (1, "people.csv:4: user u1")
    assert told["row of a user without a description: its features are missing"][0] == 13
    text = render(rows.head(1), data.items, data.manifest.prompts["default"], data.manifest.domains).item()
    assert text == (
        "A: The user ID is user_0, age 20.0, who clicked nothing recently. The ID of the current item is item_0, "
        "the title is 'a 0, b', the brand is B0. The device is web."
    )


def test_without_a_table_of_items_their_first_row_describes_them(shop: Make) -> None:
    lines = [f"{line},t{n % 7 if n < 39 else 'other'}" for n, line in enumerate(LINES)]
    data = prepared(
        shop(COLUMNS + '[features.item]\ntitle = "text"\n', HEAD.replace("\n", ",title\n") + "\n".join(lines))
    )
    assert data.items["title"].to_list() == [f"t{n}" for n in range(7)]
    reason = "item described otherwise in a later row: the first value of each column stands"
    assert reasons(data)[reason] == (1, "clicks.csv:41: item 0004")


def test_of_an_items_column_the_first_value_that_is_not_missing_stands(shop: Make) -> None:
    titles = ["", "first", "", "second", "first"]
    lines = [f"{line},{titles[n // 7] if n < 35 else ''},b{n % 7 if n else ''}" for n, line in enumerate(LINES)]
    toml = COLUMNS + '[features.item]\ntitle = "text"\nbrand = "id"\n'
    data = prepared(shop(toml, HEAD.replace("\n", ",title,brand\n") + "\n".join(lines)))
    assert data.items.sort("item")["title"].to_list() == ["first"] * 7
    reason = "item described otherwise in a later row: the first value of each column stands"
    # the titles `second`, and of item 0000 the brand `b0`, of which the rows with and without `first` are two
    assert reasons(data)[reason][0] >= 7
    only_gaps = [line.replace("second", "").replace(",b0", ",b") for line in lines]
    data = prepared(shop(toml, HEAD.replace("\n", ",title,brand\n") + "\n".join(only_gaps)))
    assert data.items["title"].to_list() == ["first"] * 7
    assert reason not in reasons(data), "a missing value is no other description"


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("%d.%m.%Y", "%d.%m.%Y"),
        ("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M"),
        ("%d.%m.%y %H:%M:%S", "%d.%m.%y %H:%M:%S"),
        ("%m/%d/%Y", "%m/%d/%Y"),
    ],
)
@pytest.mark.parametrize("tried", ["", '[time]\nformat = "%d.%m.%Y %H.%M"\n'])
def test_the_advice_on_a_time_is_one_that_reads_it(shop: Make, written: str, advice: str, tried: str) -> None:
    lines = [f"u{n % 3},{n % 7},{at(t + n * 86_400, written)},a,{n % 2}" for n, t in enumerate(STAMPS)]
    csv = HEAD + "\n".join(lines)
    assert refusal(shop(COLUMNS + tried, csv), ConfigError).endswith(f'[time] format = "{advice}"')
    assert all_rows(prepared(shop(COLUMNS + f'[time]\nformat = "{advice}"\n', csv))).height == 40


def test_a_history_of_the_users_own_takes_the_place_of_the_frameworks(shop: Make) -> None:
    toml = COLUMNS + '[features.user]\nhistory = { kind = "history", column = "seen", separator = " " }\n'
    data = prepared(
        shop(toml, HEAD.replace("\n", ",seen\n") + "\n".join(f"{line},0006 0005 9999" for line in LINES)), window=2
    )
    assert set(map(tuple, all_rows(data)["history"].to_list())) == {("0005", "9999")}
    assert [field.name for field in data.manifest.fields].count("history") == 1
    assert any("cannot be told" in reason for reason in reasons(data))


def test_lists_of_parquet_and_of_json_are_histories(shop: Make, tmp_path: Path) -> None:
    frame = pl.read_csv(CSV.encode(), schema_overrides={"sku": pl.String}).with_columns(
        seen=pl.lit(["0001", None, "0002"])
    )
    frame.write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in frame.to_dicts()))
    toml = COLUMNS + '[features.user]\nseen = "history"\n'
    made = [prepared(shop(toml, csv=None, head=f'interactions = "rows.{kind}"\n')) for kind in ("parquet", "jsonl")]
    assert all_rows(made[0])["seen"].to_list() == [["0001", "0002"]] * 40
    assert made[0].fingerprint == made[1].fingerprint


def test_domains_may_stand_with_the_items_and_be_renamed_and_titled(shop: Make) -> None:
    toml = 'items = "products.csv"\n' + COLUMNS.replace(
        'domain = "shop"', 'domain = { column = "kind", rename = { "x/y" = "xy" } }'
    )
    products = "sku,kind\n" + "".join(f"{n:04d},{'x/y' if n < 3 else 'z'}\n" for n in range(6))
    data = prepared(shop(toml + '[domains]\nxy = "X & Y"\n', products__csv=products))
    assert data.manifest.domains == {"xy": "X & Y", "z": "Z"}
    assert reasons(data)["row without a domain"][0] == 5
    one = prepared(shop(COLUMNS.replace('"shop"', '{ value = "all" }')))
    assert one.domains == ("all",)


def test_ratings_are_numbers(shop: Make) -> None:
    toml = COLUMNS.replace('label = "clicked"', 'rating = "clicked"')
    csv = HEAD + "\n".join(line[:-1] + str(n % 5 + 1) for n, line in enumerate(LINES)) + "\nu1,0001,1600000000,a,many\n"
    data = prepared(shop(toml, csv))
    assert all_rows(data)["label"].sum() == 16
    assert reasons(data)["rating is not a number"] == (
        1,
        "clicks.csv:42: uid=u1, sku=0001, ts=1600000000, shop=a, clicked=many",
    )


def test_integers_that_a_missing_value_made_floats_are_ids_again(shop: Make, tmp_path: Path) -> None:
    frame = pl.read_csv(CSV.encode()).with_columns(
        sku=pl.when(pl.int_range(pl.len()) > 0).then(pl.col("sku").cast(pl.Float64))
    )
    frame.write_parquet(tmp_path / "rows.parquet")
    data = prepared(shop(csv=None, head='interactions = "rows.parquet"\n'))
    assert set(data.items["item"]) == set("0123456")
    assert reasons(data)["row without an item"][1].startswith("rows.parquet:1: uid=u0, sku=, ")


# Times.
STAMPS = [1_600_000_000 + n * 60 for n in range(40)]


def at(stamp: int, form: str) -> str:
    return datetime.fromtimestamp(stamp, UTC).strftime(form)


@pytest.mark.parametrize(
    ("written", "toml"),
    [
        (lambda t: t, ""),
        (lambda t: t * 1_000 + 7, ""),
        (lambda t: t * 10**6, ""),
        (lambda t: t * 10**9, ""),
        (lambda t: f"{t}.25", ""),
        (lambda t: t * 1_000, '[time]\nunit = "ms"\n'),
        (lambda t: at(t, "%Y-%m-%dT%H:%M:%SZ"), ""),
        (lambda t: at(t, "%Y-%m-%d %H:%M:%S UTC"), ""),
        (lambda t: at(t, "%Y-%m-%d %H:%M:%S.5"), ""),
        (lambda t: at(t + 7_200, "%Y-%m-%dT%H:%M:%S+02:00"), ""),
        (lambda t: at(t + 7_200, "%Y-%m-%d %H:%M:%S"), '[time]\ntimezone = "Europe/Berlin"\n'),
        (lambda t: at(t, "%d.%m.%Y %H-%M-%S"), '[time]\nformat = "%d.%m.%Y %H-%M-%S"\n'),
    ],
)
def test_times_are_read_as_they_are_written(shop: Make, written: Callable[[int], Any], toml: str) -> None:
    lines = [f"u{n % 3},{n % 7},{written(t)},{'ab'[n % 2]},{n % 3 % 2}" for n, t in enumerate(STAMPS)]
    data = prepared(shop(COLUMNS + toml, HEAD + "\n".join(lines)))
    assert sorted(all_rows(data)["time"]) == STAMPS
    assert any(reason.startswith("times in column 'ts' are ") for reason in reasons(data)), (
        "what was understood is told"
    )


def test_days_are_read_whether_digits_or_dates(shop: Make, tmp_path: Path) -> None:
    days = [date(2018, 1 + n % 12, 28) for n in range(40)]
    expected = sorted(int(datetime(d.year, d.month, d.day, tzinfo=UTC).timestamp()) for d in days)
    for form in ("%Y%m%d", "%Y-%m-%d", "%Y/%m/%d"):
        lines = [f"u{n},{n % 7},{day.strftime(form)},a,{n % 2}" for n, day in enumerate(days)]
        assert sorted(all_rows(prepared(shop(csv=HEAD + "\n".join(lines))))["time"]) == expected
    frame = pl.read_csv(CSV.encode(), schema_overrides={"sku": pl.String})
    for column in (pl.Series("ts", days), pl.Series("ts", days).cast(pl.Datetime("ns", "UTC"))):
        frame.with_columns(column).write_parquet(tmp_path / "rows.parquet")
        rows = all_rows(prepared(shop(csv=None, head='interactions = "rows.parquet"\n')))
        assert sorted(rows["time"]) == expected


def test_times_of_two_units_are_an_error_that_names_a_row_of_each(shop: Make) -> None:
    said = refusal(shop(csv=CSV + "u1,0001,1600000000000,a,1\n"), DataError)
    assert "clicks.csv:2 (seconds: 1600000000) and clicks.csv:42 (milliseconds: 1600000000000)" in said
    data = prepared(shop(COLUMNS + '[time]\nunit = "s"\n', CSV + "u1,0001,1600000000000,a,1\n"))
    assert reasons(data)["time is missing, or not written as the others"][0] == 1


def test_days_and_months_are_not_guessed(shop: Make) -> None:
    csv = HEAD + "\n".join(f"u{n},1,03/04/20{n:02d},a,{n % 2}" for n in range(10, 30))
    said = refusal(shop(csv=csv), ConfigError)
    assert "'03/04/2010'" in said
    assert "[time] format" in said
    assert "Europe/Berln" in refusal(
        shop(COLUMNS + '[time]\ntimezone = "Europe/Berln"\n', HEAD + "u,1,2020-01-01,a,1\n")
    )


# Labels.
@pytest.mark.parametrize(("no", "yes"), [("0", "1"), ("false", "True"), ("0.0", "1.0")])
def test_labels_are_zero_and_one_or_false_and_true(shop: Make, no: str, yes: str) -> None:
    csv = HEAD + "\n".join(line[:-1] + (yes if line[-1] == "1" else no) for line in LINES)
    assert all_rows(prepared(shop(csv=csv)))["label"].sum() == sum(line[-1] == "1" for line in LINES)


def test_other_words_are_labels_only_where_they_are_listed(shop: Make) -> None:
    csv = (
        HEAD
        + "\n".join(line[:-1] + ("yes" if line[-1] == "1" else "no") for line in LINES)
        + "\nu1,0001,1600000000,a,maybe\n"
    )
    said = refusal(shop(csv=csv), DataError)
    assert "label is neither 0 nor 1" in said
    assert "positive = " in said
    csv += "u1,0001,1600000000,a,\nu1,0001,1600000001,a,Yes\n"
    both = '{ column = "clicked", positive = ["yes"], negative = ["no"] }'
    data = prepared(shop(COLUMNS.replace('"clicked"', both), csv))
    told = reasons(data)
    assert told["label is in neither list"] == (
        2,
        "clicks.csv:42: uid=u1, sku=0001, ts=1600000000, shop=a, clicked=maybe",
    )
    assert told["label is missing"][0] == 1
    assert "label is neither 0 nor 1" not in told
    assert all_rows(data)["label"].sum() == sum(line[-1] == "1" for line in LINES)
    one = prepared(shop(COLUMNS.replace('"clicked"', '{ column = "clicked", positive = ["yes"] }'), csv))
    assert all_rows(one).height == 42
    assert reasons(one)["label is missing"][0] == 1


def test_listed_labels_are_compared_without_blanks_around_them_and_with_their_case(shop: Make) -> None:
    csv = HEAD + "\n".join(line[:-1] + (" yes " if line[-1] == "1" else "no") for line in LINES)
    both = '{ column = "clicked", positive = ["yes "], negative = ["no"] }'
    rows = all_rows(prepared(shop(COLUMNS.replace('"clicked"', both), csv)))
    assert (rows.height, rows["label"].sum()) == (40, sum(line[-1] == "1" for line in LINES))
    said = refusal(shop(COLUMNS.replace('"clicked"', both.replace("no", "No")), csv), DataError)
    assert "label is in neither list" in said
    assert "case counts" in said


def test_a_rating_or_a_fraction_is_no_label(shop: Make, tmp_path: Path) -> None:
    csv = HEAD + "\n".join(line[:-1] + str(n % 5 + 1) for n, line in enumerate(LINES))
    assert "a rating or a score goes to `rating`" in refusal(shop(csv=csv), DataError)
    frame = pl.read_csv(CSV.encode()).with_columns(clicked=pl.int_range(pl.len()) / 40)
    frame.write_parquet(tmp_path / "rows.parquet")
    assert "neither 0 nor 1" in refusal(shop(csv=None, head='interactions = "rows.parquet"\n'), DataError)


def test_parquets_numbers_are_listed_as_labels_as_they_are_written_in_the_toml(shop: Make, tmp_path: Path) -> None:
    pl.read_csv(CSV.encode()).with_columns(clicked=pl.col("clicked") * 2 - 1).write_parquet(tmp_path / "rows.parquet")
    toml = COLUMNS.replace('"clicked"', '{ column = "clicked", positive = [1], negative = [-1] }')
    rows = all_rows(prepared(shop(toml, csv=None, head='interactions = "rows.parquet"\n')))
    assert (rows.height, rows["label"].sum()) == (40, sum(line[-1] == "1" for line in LINES))


# Bad rows.
def test_bad_rows_are_counted_with_file_and_line(shop: Make) -> None:
    bad = (
        ",0001,1600000000,a,1",
        "u1,,1600000000,a,1",
        "u1,0001,noon,a,1",
        "u1,0001,1600000000,a,2",
        "u1,0001,1600000000,,1",
        "u1,0001,1600000000,a,1,more",
        "u1,0001",
    )
    toml = shop(csv=HEAD + '"u\n1",0001,1600000000,a,1\n' + "\n".join(LINES) + "\n" + "\n".join(bad))
    found = [p for p in prepared(toml).manifest.problems if p.error]
    assert {p.examples[0].partition(": ")[0]: (p.reason, p.domain, p.count) for p in found} == {
        "clicks.csv:44": ("row without a user", "a", 1),
        "clicks.csv:45": ("row without an item", "a", 1),
        "clicks.csv:46": (NO_TIME, "a", 1),
        "clicks.csv:47": (NO_LABEL, "a", 1),
        "clicks.csv:48": ("row without a domain", None, 1),
        "clicks.csv:49": ("line with more fields than the header", "a", 1),
        "clicks.csv:50": (NO_TIME, None, 1),
    }
    assert found[0].examples[0] == "clicks.csv:44: uid=, sku=0001, ts=1600000000, shop=a, clicked=1"
    with pytest.raises(DataError, match=r"^clicks\.csv:4\d: .*--strict"):
        prepared(toml, strict=True)


def test_broken_json_lines_are_counted(shop: Make, tmp_path: Path) -> None:
    pl.read_csv(CSV.encode(), schema_overrides={"sku": pl.String}).write_ndjson(tmp_path / "rows.jsonl")
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"uid": "u1", "sku"\n')
    data = prepared(shop(csv=None, head='interactions = "rows.jsonl"\n'))
    assert reasons(data)["broken JSON line"] == (1, 'rows.jsonl:41: {"uid": "u1", "sku"')


@pytest.mark.parametrize(("before", "toml"), [("\n \n", ""), ("a title, with a comma\n\n", "[csv]\nskip = 1\n")])
def test_the_header_may_stand_below(shop: Make, before: str, toml: str) -> None:
    data = prepared(shop(COLUMNS + toml, before + CSV + "u1,0001,1600000000,a,2\n"))
    assert all_rows(data).height == 40
    assert reasons(data)["label is neither 0 nor 1"][1].startswith("clicks.csv:44: ")


def test_a_separator_inside_quotes_separates_nothing(shop: Make) -> None:
    data = prepared(shop(COLUMNS.replace('"uid"', '"a;b;c;d;e;f"'), CSV.replace("uid", '"a;b;c;d;e;f"')))
    assert all_rows(data).height == 40


def test_a_first_row_with_many_more_fields_than_the_header_is_a_bad_row(shop: Make) -> None:
    data = prepared(shop(csv=HEAD + "u1,0001,1600000000,a,1,more,and,more\n" + "\n".join(LINES)))
    count, example = reasons(data)["line with more fields than the header"]
    assert (count, example.partition(": ")[0]) == (1, "clicks.csv:2")


def test_numbers_with_a_decimal_comma_are_read_and_never_a_point_taken_for_one(shop: Make) -> None:
    written = {"1.299,50": 1299.5, "2,5": 2.5, "3.000.000": 3e6, "-1,25": -1.25, "7": 7, "1.5": None, "1,2,3": None}
    lines = [f"{line.replace(',', ';')};{value}" for line, value in zip(LINES[:7], written, strict=True)]
    csv = "\n".join([HEAD.strip().replace(",", ";") + ";price", *lines])
    toml = COLUMNS + '[features.context]\nprice = "number"\n[csv]\ndecimal = ","\n'
    data = prepared(shop(toml, csv))
    found = all_rows(data).sort("time")["price"].to_list()
    assert found == list(written.values())
    assert reasons(data)["price is not a number: missing"] == (2, "clicks.csv:7: 1.5")


def test_histories_that_are_no_lists_are_told(shop: Make) -> None:
    values = ["[1, 2]", "[3]", "[[1], [2]]", "5|6", "[1,", ""]
    rows = [f"{line},{values[n % 6]}".replace(",", ";", 5) for n, line in enumerate(LINES)]
    csv = "\n".join([HEAD.strip().replace(",", ";") + ";seen", *rows])
    data = prepared(shop(COLUMNS + '[features.user]\nhistory = { kind = "history", column = "seen" }\n', csv))
    kept = all_rows(data).sort("time")["history"].to_list()[:6]
    assert kept == [["1", "2"], ["3"], [], [], [], []]
    count, example = reasons(data)["history is no JSON list, and no separator is given: empty"]
    assert (count, example) == (20, "clicks.csv:4: [[1], [2]]")


def test_lists_of_floats_hold_the_items_that_the_integers_were(shop: Make, tmp_path: Path) -> None:
    frame = pl.read_csv(CSV.encode()).with_columns(seen=pl.lit([1.0, None, 2.0], dtype=pl.List(pl.Float64)))
    frame.write_parquet(tmp_path / "rows.parquet")
    toml = COLUMNS + '[features.user]\nhistory = { kind = "history", column = "seen" }\n'
    data = prepared(shop(toml, csv=None, head='interactions = "rows.parquet"\n'))
    assert all_rows(data)["history"].to_list()[0] == ["1", "2"]


def test_a_fraction_is_an_id_where_it_is_asked_to_be(shop: Make, tmp_path: Path) -> None:
    frame = pl.read_csv(CSV.encode()).with_columns(size=pl.when(pl.col("sku") > 0).then(pl.col("sku") / 2))
    frame.write_parquet(tmp_path / "rows.parquet")
    toml = COLUMNS + '[features.context]\nsize = "id"\n'
    data = prepared(shop(toml, csv=None, head='interactions = "rows.parquet"\n'))
    assert set(all_rows(data)["size"]) == {None, "0.5", "1", "1.5", "2", "2.5", "3"}


def test_infinity_is_no_number_and_nan_is_a_missing_one(shop: Make, tmp_path: Path) -> None:
    price = pl.Series([float("inf"), float("nan"), None, *range(37)], strict=False, dtype=pl.Float64)
    pl.read_csv(CSV.encode()).with_columns(price=price).write_parquet(tmp_path / "rows.parquet")
    toml = COLUMNS + '[features.context]\nprice = "number"\n'
    data = prepared(shop(toml, csv=None, head='interactions = "rows.parquet"\n'))
    assert all_rows(data)["price"].null_count() == 3
    assert reasons(data)["price is not a number: missing"] == (1, "rows.parquet:1: inf")


def test_there_is_nothing_to_download(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="files of your own"):
        TableFile().download(tmp_path)


def test_neither_flags_nor_durations_are_times(shop: Make, tmp_path: Path) -> None:
    for ts in (pl.col("ts") > 0, pl.duration(seconds="ts")):
        pl.read_csv(CSV.encode()).with_columns(ts=ts).write_parquet(tmp_path / "rows.parquet")
        assert "which is no time" in refusal(shop(csv=None, head='interactions = "rows.parquet"\n'), ConfigError)


# What is refused, in one sentence.
@pytest.mark.parametrize(
    ("toml", "says"),
    [
        (
            COLUMNS.replace('"uid"', '"uidd"'),
            "columns.user is the column 'uidd', which clicks.csv has not. Did you mean 'uid'?",
        ),
        (COLUMNS.replace("user =", "usr ="), "unknown key 'columns.usr' in"),
        (COLUMNS + '[features.item]\ntitle = "txt"\n', "features.item.title.kind in"),
        (COLUMNS + '[features.item]\n"my title" = "text"\n', 'good_name = { kind = "text", column = "my title" }'),
        (COLUMNS + '[features.item]\nlabel = "id"\n', "'label' is a column of the framework's own"),
        (
            COLUMNS + '[features.context]\nx = { kind = "id", column = "clicked" }\n',
            "features.context.x: the column 'clicked' is what models are to predict; leave the feature out",
        ),
        (
            COLUMNS + '[features.item]\nsku = "id"\n',
            "column 'sku' is both the item and a feature: take it out of [features.item]",
        ),
        (COLUMNS + '[features.context]\nx = { kind = "id", column = "uid" }\n', "column 'uid' is both the user and"),
        (COLUMNS + '[features.user]\nts = "number"\n', "column 'ts' is both the time and a feature"),
        (
            'items = { files = "clicks.csv", key = "shop" }\n' + COLUMNS + '[features.item]\nshop = "id"\n',
            "column 'shop' is both the item and a feature",
        ),
        (COLUMNS.replace('"uid"', '"?"'), "columns.user is still to be filled in"),
        (COLUMNS + '[features.item]\nx = "history"\n', "put it under [features.user]"),
        (COLUMNS + '[features.user]\nshop = "id"\n[features.item]\nshop = "id"\n', "two features of this name"),
        (COLUMNS + 'rating = "clicked"\n', "give either label (0 or 1) or rating"),
        (COLUMNS + '[prompts.default]\ntemplate = "{titel}"\n', "names {titel}, which is no column"),
        (COLUMNS + '[csv]\nencoding = "klingon"\n', "Python knows no encoding 'klingon'"),
        ("[columns\n", "is not TOML"),
        ('name = "demo"\n' + COLUMNS, "give it another name"),
    ],
)
def test_a_mistake_in_the_toml_is_one_sentence(shop: Make, toml: str, says: str) -> None:
    assert says in refusal(shop(toml))


@pytest.mark.parametrize(
    ("csv", "says"),
    [
        ("", "clicks.csv is empty"),
        (HEAD, "clicks.csv holds no row"),
        ("\n".join(LINES), "which clicks.csv has not"),
        ("1,2,3\n4,5,6\n", "has no header (its first line is '1, 2, 3')"),
        (HEAD.replace("shop", "uid") + LINES[0], "has two columns named 'uid'"),
        (CSV.replace("shop", "_line"), "has a column named '_line', as one of ctrbench's own is"),
        (CSV.replace("u1,", "ü,").encode("latin-1"), 'encoding = "latin-1"'),
        (CSV + 'u1,"00" 1,1600000000,a,1\n', 'quote = ""'),
    ],
)
def test_a_bad_csv_is_one_sentence(shop: Make, csv: str | bytes, says: str) -> None:
    assert says in refusal(shop(csv=csv))


def test_missing_files_folders_and_strange_endings_are_named(shop: Make, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    for name, says in (
        ("click.csv", "which is not there. Did you mean 'clicks.csv'?"),
        ("parts", "is a folder: name the files in it"),
        ("shop.toml", "has an unknown ending"),
    ):
        assert says in refusal(shop(head=f'interactions = "{name}"\n'), DataError)
    (tmp_path / "x.parquet").write_text("no parquet")
    assert "x.parquet cannot be read" in refusal(shop(head='interactions = "x.parquet"\n'), DataError)


def test_item_features_that_stand_in_the_interactions_are_told_where_they_belong(shop: Make) -> None:
    toml = 'items = "products.csv"\n' + COLUMNS + '[features.item]\nshop = "id"\n'
    said = refusal(shop(toml, products__csv="sku,title\n1,a\n"), ConfigError)
    assert "move it to [features.context]" in said


def test_files_of_one_table_have_the_same_columns(shop: Make) -> None:
    said = refusal(shop(head='interactions = ["clicks.csv", "more.csv"]\n', more__csv="uid,sku,ts,clicked\nu,1,1,1\n"))
    assert "more.csv has no column 'shop'" in said


def test_the_root_may_be_a_folder_with_one_toml(shop: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toml, out = shop(), tmp_path / "p"
    assert prepared(toml.parent).fingerprint
    toml.rename(tmp_path / "one.toml")
    shop()
    assert main(["data", "prepare", "table_file", "--root", str(tmp_path), "--out", str(out)]) == 2
    assert "holds 2 TOML files (one.toml, shop.toml)" in capsys.readouterr().err
    assert not out.exists()
