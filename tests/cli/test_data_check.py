from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path

import polars as pl
import pytest

from ctrbench.cli import main
from ctrbench.data import foresee
from ctrbench.data.inspection import Inspection
from ctrbench.data.source import DatasetSource
from ctrbench.errors import PluginError

TOML = """interactions = "clicks.csv"
[columns]
user = "uid"
item = "sku"
time = "ts"
label = "clicked"
domain = "shop"
"""
FRAME = pl.DataFrame(
    {
        "uid": [f"u{n * 7 % 11}" for n in range(200)],
        "sku": [f"{n % 20:04d}" for n in range(200)],
        "ts": [1_600_000_000_000 + n * 60_000 for n in range(200)],
        "clicked": [n * 7 % 3 % 2 for n in range(200)],
        "shop": ["books" if n % 3 else "games" for n in range(200)],
        "title": [f"a thing {n % 20}" for n in range(200)],
        "Brand Name": [f"b{n % 20 % 3}" for n in range(200)],
        "age": [20.5 + n * 7 % 11 for n in range(200)],
        "device": [["web", "phone"][n // 3 % 2] for n in range(200)],
        "seen": [f"{n % 20:04d}|{(n + 1) % 20:04d}" for n in range(200)],
        "always": ["x"] * 200,
        "nothing": [None] * 200,
    },
    schema_overrides={"nothing": pl.String},
)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    FRAME.write_csv("clicks.csv")
    Path("shop.toml").write_text(TOML)
    return tmp_path


def check(*words: str) -> int:
    return main(["data", "check", *words])


def as_json(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


def test_a_toml_is_explained_column_by_column_and_as_it_would_be_prepared(shop: Path, capsys) -> None:
    before = sorted(path.name for path in shop.iterdir())
    assert check("shop.toml", "--format", "json") == 0
    found = as_json(capsys)
    columns = {column["name"]: column for column in found["columns"]}
    assert columns["uid"] == {
        "table": "interactions",
        "name": "uid",
        "role": "user",
        "type": "text",
        "rows": 200,
        "nulls": 0,
        "distinct": 11,
        "examples": ["u0", "u7", "u3"],
    }
    assert columns["nothing"]["role"] == "not used"
    assert columns["nothing"]["nulls"] == 200
    domains = {domain.pop("domain"): domain for domain in found["outlook"]["domains"]}
    assert domains["books"]["rows"] == {"train": 106, "valid": 13, "test": 14}
    assert (domains["games"]["first"], domains["games"]["last"]) == ("2020-09-13", "2020-09-13")
    reasons = [problem["reason"] for problem in found["outlook"]["problems"]]
    assert "times in column 'ts' are milliseconds since 1970 (guessed from their size)" in reasons
    assert sorted(path.name for path in shop.iterdir()) == before, "it writes nothing"


def test_the_same_is_printed_for_people(shop: Path, capsys) -> None:
    assert check("shop.toml") == 0
    told = capsys.readouterr().out
    assert "interactions: 200 rows" in told
    assert "books: 106 train, 13 valid, 14 test; " in told
    assert "ctrbench data prepare table_file --root shop.toml --out prepared/shop" in told


def test_everything_wrong_is_told_at_once_with_what_to_do(shop: Path, capsys) -> None:
    Path("shop.toml").write_text(
        TOML.replace('"uid"', '"uidd"').replace('"sku"', '"skuu"') + '[features.context]\nnothing = "id"\n'
    )
    assert check("shop.toml") == 2
    wrong = [line for line in capsys.readouterr().out.splitlines() if line.startswith("wrong: ")]
    assert len(wrong) == 3
    assert "Did you mean 'uid'?" in wrong[0]
    assert "Did you mean 'sku'?" in wrong[1]
    assert "'nothing' (id) holds no value in any row" in wrong[2]


def test_times_and_labels_are_not_left_for_the_next_time(shop: Path, capsys) -> None:
    words = pl.when(pl.col("clicked") == 1).then(pl.lit("Yes")).otherwise(pl.lit("No"))
    day = pl.from_epoch("ts", time_unit="ms").dt.strftime("%d.%m.%Y")
    FRAME.with_columns(clicked=words, ts=day).write_csv("clicks.csv")
    Path("shop.toml").write_text(TOML + '[features.context]\nprise = "number"\nnothing = "id"\nuid = "id"\nts = "id"\n')
    assert check("shop.toml") == 2
    wrong = [line for line in capsys.readouterr().out.splitlines() if line.startswith("wrong: ")]
    assert len(wrong) == 6
    assert "column 'uid' is both the user and a feature: take it out of [features.context]" in wrong.pop(0)
    assert "column 'ts' is both the time and a feature: take it out of [features.context]" in wrong.pop(0)
    assert "features.context.prise is the column 'prise'" in wrong[0]
    assert "'nothing' (id) holds no value" in wrong[1]
    assert '[time] format = "%d.%m.%Y"' in wrong[2]
    assert "200 of 200 values of column 'clicked': label is neither 0 nor 1" in wrong[3]


def test_of_a_folder_it_is_told_which_toml_was_checked(shop: Path, capsys) -> None:
    assert check(".") == 0
    told = capsys.readouterr().out
    assert told.startswith("checked: shop.toml\n")
    assert "--root shop.toml --out prepared/shop" in told
    assert check("shop.toml") == 0
    assert "checked:" not in capsys.readouterr().out


def test_what_preparing_would_refuse_is_wrong_too(shop: Path, capsys) -> None:
    FRAME.with_columns(clicked=pl.lit(0)).write_csv("clicks.csv")
    assert check("shop.toml", "--format", "json") == 2
    found = as_json(capsys)
    assert found["outlook"] is None
    assert len(found["wrong"]) == 1
    assert "label" in found["wrong"][0]


def test_the_next_command_is_one_to_copy_whatever_the_options_and_the_name(shop: Path, capsys) -> None:
    Path("shop.toml").rename("my shop.toml")
    assert check("my shop.toml", "-o", "train=0.5", "--domain-by", "new_user") == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("all right")]
    words = shlex.split(line.partition("next: ctrbench ")[2])
    assert main(words) == 0
    manifest = json.loads(Path("prepared/my shop/manifest.json").read_text())
    assert (manifest["options"]["train"], manifest["options"]["domain_by"]) == (0.5, "new_user")


def test_options_of_the_preparation_count(shop: Path, capsys) -> None:
    assert check("shop.toml", "-o", "train=0.5", "--format", "json") == 0
    assert as_json(capsys)["outlook"]["domains"][0]["rows"]["train"] == 33
    assert check("shop.toml", "-o", "trian=0.5") == 2
    assert "Did you mean 'train'?" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_a_bare_table_gets_a_toml_that_fits_it(shop: Path, form: str, capsys) -> None:
    {"csv": FRAME.write_csv, "parquet": FRAME.write_parquet, "jsonl": FRAME.write_ndjson}[form](f"rows.{form}")
    Path("deeper").mkdir()
    assert check(f"rows.{form}", "--write", "deeper/own.toml") == 0
    assert "always: the same value in every row" in capsys.readouterr().out
    made = tomllib.loads(Path("deeper/own.toml").read_text())
    assert made == {
        "interactions": f"../rows.{form}",
        "columns": {"user": "uid", "item": "sku", "time": "ts", "label": "clicked", "domain": "shop"},
        "features": {
            "user": {"age": "number", "seen": {"kind": "history", "separator": "|"}},
            "item": {"title": "text", "brand_name": {"kind": "id", "column": "Brand Name"}},
            "context": {"device": "id"},
        },
    }
    assert check("deeper/own.toml") == 0


def test_ratings_one_domain_and_other_names_are_guessed_too(shop: Path, capsys) -> None:
    frame = FRAME.select(
        pl.col("uid").alias("reviewerID"),
        pl.col("sku").alias("asin"),
        pl.from_epoch("ts", time_unit="ms").alias("reviewTime"),
        (pl.int_range(pl.len()) % 5 + 1).alias("overall"),
    )
    frame.write_parquet("reviews.parquet")
    assert check("reviews.parquet", "--format", "json") == 0
    columns = tomllib.loads(as_json(capsys)["proposal"])["columns"]
    assert columns == {
        "user": "reviewerID",
        "item": "asin",
        "time": "reviewTime",
        "rating": "overall",
        "domain": {"value": "all"},
    }


def test_what_no_column_seems_to_be_is_told_and_left_to_fill_in(shop: Path, capsys) -> None:
    FRAME.select("sku", "title").write_csv("products.csv")
    assert check("products.csv", "--write", "p.toml") == 2
    told = capsys.readouterr().out
    assert "no column of products.csv looks like the user" in told
    assert check("p.toml") == 2
    assert "columns.user is still to be filled in" in capsys.readouterr().out


def test_a_file_of_western_windows_is_understood(shop: Path, capsys) -> None:
    Path("clicks.csv").write_bytes(FRAME.write_csv().replace("a thing", "caf\u00e9 \u20ac").encode("cp1252"))
    assert check("clicks.csv", "--write", "own.toml") == 0
    assert 'encoding = "cp1252"' in capsys.readouterr().out
    assert check("own.toml") == 0
    assert "caf\u00e9 \u20ac 0" in capsys.readouterr().out


def test_nothing_is_written_over(shop: Path, capsys) -> None:
    assert check("clicks.csv", "--write", "shop.toml") == 2
    assert "is there already" in capsys.readouterr().err
    assert Path("shop.toml").read_text() == TOML
    assert check("shop.toml", "--write", "other.toml") == 2
    assert "--write is for a table" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "says"), [("nowhere.toml", "is not there"), ("notes.pdf", "can check"), ("empty", "can check")]
)
def test_what_no_plugin_knows_is_one_sentence(shop: Path, name: str, says: str, capsys) -> None:
    Path("notes.pdf").touch()
    Path("empty").mkdir()
    assert check(name) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_any_registered_source_may_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The framework names none, and a broken plugin is no obstacle."""

    class Mine(DatasetSource):
        fields, prompts = (), {}
        inputs = interactions = items = None

        @classmethod
        def inspect(cls, file: Path, beside: Path) -> Inspection:
            return Inspection(understood=(f"{file.name} in {beside.name}",))

    def load(kind: str, name: str) -> type[Mine]:
        if name == "broken":
            raise PluginError("broken")
        return Mine

    monkeypatch.setattr(foresee.registry, "names", lambda kind: ["broken", "mine"])
    monkeypatch.setattr(foresee.registry, "load", load)
    (tmp_path / "x.foo").touch()
    assert foresee.inspect(tmp_path / "x.foo") == ("mine", Inspection(understood=(f"x.foo in {tmp_path.name}",)))


def proposed(capsys: pytest.CaptureFixture[str], file: str) -> dict:
    assert check(file, "--format", "json") in (0, 2)
    return tomllib.loads(as_json(capsys)["proposal"])


def as_excel(**columns: pl.Expr) -> str:
    return FRAME.drop("nothing", "always").with_columns(**columns).write_csv(separator=";", line_terminator="\r\n")


def test_a_german_spreadsheet_needs_only_its_dates_explained(shop: Path, capsys) -> None:
    day = pl.from_epoch("ts", time_unit="ms").dt.strftime("%d.%m.%Y %H:%M")
    price = pl.format("1.{},50", pl.col("sku").str.tail(3))
    Path("export.csv").write_text(as_excel(ts=day, age=price), encoding="utf-8-sig")
    assert check("export.csv", "--write", "own.toml") == 2
    told = capsys.readouterr().out
    wrong = [line for line in told.splitlines() if line.startswith("wrong: ")]
    assert len(wrong) == 1
    assert wrong[0].startswith("wrong: export.csv: the times in column 'ts'")
    assert '[time] format = "%d.%m.%Y %H:%M"' in wrong[0]
    made = tomllib.loads(Path("own.toml").read_text())
    assert made["csv"] == {"decimal": ","}
    assert made["features"]["item"]["age"] == "number"
    with Path("own.toml").open("a") as toml:
        toml.write('[time]\nformat = "%d.%m.%Y %H:%M"\n')
    assert check("own.toml") == 0
    assert "is not a number" not in capsys.readouterr().out


def test_a_comma_is_decimal_only_where_that_makes_numbers_and_costs_none(shop: Path, capsys) -> None:
    for name, age in (("points", "20.5"), ("both", "20.5"), ("padded", "012,5")):
        other = pl.lit("3,5") if name == "both" else pl.lit("x")
        rows = as_excel(age=pl.lit(age) + pl.col("sku").str.tail(1), device=other + pl.col("sku").str.tail(1))
        Path(f"{name}.csv").write_text(rows)
        assert "csv" not in proposed(capsys, f"{name}.csv"), name


@pytest.mark.parametrize(("odd", "kind"), [(4, "number"), (60, "id")])
def test_a_column_of_numbers_and_words_for_a_missing_one_is_told_what_to_do(shop: Path, odd: int, kind: str, capsys):
    row = pl.int_range(pl.len())
    price = pl.when(row >= odd).then(pl.format("{},5", row)).otherwise(pl.lit("k.A."))
    Path("export.csv").write_text(as_excel(age=pl.when(row == 0).then(pl.lit("-")).otherwise(price)))
    assert check("export.csv", "--write", "own.toml") == 0
    (line,) = [line for line in Path("own.toml").read_text().splitlines() if line.startswith("age")]
    assert line.startswith(f'age = "{kind}"  # numbers but for {odd} of 200 values: if these mean missing, say')
    assert '[csv] null = ["-", "k.A."]' in line
    assert ('and decimal = ","' in line, 'its kind is "number"' in line) == ((kind == "id"),) * 2
    capsys.readouterr()
    Path("clean.csv").write_text(as_excel(age=pl.lit("1,5")))
    assert check("clean.csv") == 0
    assert "if these mean missing" not in capsys.readouterr().out


def test_utf_16_and_quotes_inside_text_are_found_out(shop: Path, capsys) -> None:
    Path("unicode.txt").write_text(FRAME.write_csv(separator="\t"), encoding="utf-16")
    assert proposed(capsys, "unicode.txt")["csv"] == {"encoding": "utf-16"}
    Path("quotes.csv").write_text(FRAME.write_csv().replace("a thing", '15" thing'))
    assert proposed(capsys, "quotes.csv")["csv"] == {"quote": ""}


def test_ids_with_zeros_in_front_and_lists_of_other_things_are_no_features_they_look_like(shop: Path, capsys) -> None:
    frame = FRAME.with_columns(
        code_no=pl.format("00{}", pl.col("age").floor().cast(pl.Int64)),
        tags=pl.concat_list(pl.lit("x"), pl.lit("y")),
        vector=pl.concat_list(pl.lit(1.0), pl.lit(2.0)),
        seen=pl.col("seen").str.split("|"),
        took=pl.duration(seconds="age"),
    )
    frame.write_parquet("rows.parquet")
    assert proposed(capsys, "rows.parquet")["features"]["user"] == {
        "age": "number",
        "seen": "history",
        "code_no": "id",
    }
    frame.drop("took").write_ndjson("rows.jsonl")
    assert proposed(capsys, "rows.jsonl")["features"]["user"]["seen"] == "history", "JSON lists need no separator"


@pytest.mark.parametrize("column", ["clicked", "age"])
def test_a_few_odd_values_hide_no_column(shop: Path, column: str, capsys) -> None:
    odd = pl.when(pl.int_range(pl.len()) > 195).then(pl.lit("n/a")).otherwise(pl.col(column).cast(pl.String))
    FRAME.with_columns(odd.alias(column)).write_csv("rows.csv")
    made = proposed(capsys, "rows.csv")
    assert made["columns"]["label"] == "clicked"
    kinds = {**made["features"]["user"], **made["features"]["context"]}
    assert kinds["age"] == "number"


def test_domains_that_need_other_names_get_them(shop: Path, capsys) -> None:
    FRAME.with_columns(shop=pl.col("shop").replace({"books": "books.com"})).write_csv("rows.csv")
    assert check("rows.csv", "--write", "own.toml") == 0
    made = tomllib.loads(Path("own.toml").read_text())["columns"]["domain"]
    assert made == {"column": "shop", "rename": {"books.com": "books_com"}}
    assert check("own.toml") == 0


def test_a_line_before_the_header_is_thought_of(shop: Path, capsys) -> None:
    Path("clicks.csv").write_text("Export of May\n\n" + FRAME.write_csv())
    assert check("clicks.csv") == 2
    assert "the first line of clicks.csv is taken as its header" in capsys.readouterr().out
    Path("shop.toml").write_text(TOML + "[csv]\nskip = 1\n")
    assert check("shop.toml") == 0


def test_a_table_that_cannot_be_read_is_one_sentence_whatever_is_to_be_written(shop: Path, capsys) -> None:
    Path("rows.parquet").write_text("no parquet")
    Path("rows.csv").write_text(TOML.replace("\n", ",") + "\n")
    for name, says in (("rows.parquet", "cannot be read"), ("rows.csv", "holds no row")):
        assert check(name, "--write", "own.toml") == 2
        told = capsys.readouterr()
        assert says in told.out
        assert not told.err
        assert not Path("own.toml").exists()
