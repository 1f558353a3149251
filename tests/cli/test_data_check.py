from __future__ import annotations

import json
import tomllib
from pathlib import Path

import polars as pl
import pytest

from ctrbench.cli import main
from ctrbench.data import inspection
from ctrbench.data.inspection import Inspection
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


def test_what_preparing_would_refuse_is_wrong_too(shop: Path, capsys) -> None:
    FRAME.with_columns(clicked=pl.lit(0)).write_csv("clicks.csv")
    assert check("shop.toml", "--format", "json") == 2
    found = as_json(capsys)
    assert found["outlook"] is None
    assert len(found["wrong"]) == 1
    assert "label" in found["wrong"][0]


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
    assert "columns.user is the column '?'" in capsys.readouterr().out


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

    class Mine:
        @classmethod
        def inspect(cls, file: Path, beside: Path) -> Inspection:
            return Inspection(understood=(f"{file.name} in {beside.name}",))

    def load(kind: str, name: str) -> type[Mine]:
        if name == "broken":
            raise PluginError("broken")
        return Mine

    monkeypatch.setattr(inspection.registry, "names", lambda kind: ["broken", "mine"])
    monkeypatch.setattr(inspection.registry, "load", load)
    (tmp_path / "x.foo").touch()
    assert inspection.inspect(tmp_path / "x.foo") == ("mine", Inspection(understood=(f"x.foo in {tmp_path.name}",)))
