from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from ctrbench.data.describe import describe
from ctrbench.data.prepare import prepare
from ctrbench.data.store import PreparedDataset
from ctrbench.errors import DataError
from ctrbench_plugins.datasets.movielens import MovieLens

REAL = Path(__file__).parents[3] / "shared" / "data" / "ml-100k"

AGES = {"1": 24, "2": 25, "3": 34, "4": 35, "5": 7}
RATINGS = [(user, str(n % 4 + 1), n % 5 + 1, 1000 + n) for user in AGES for n in range(10)]


def flags(*genres: int) -> str:
    return "|".join("1" if n in genres else "0" for n in range(19))


def grouplens(root: Path, ratings: str = "", users: str = "") -> Path:
    root.mkdir()
    lines = ["\t".join(map(str, rating)) for rating in RATINGS]
    (root / "u.data").write_text("\n".join(lines) + "\n" + ratings)
    people = [f"{user}|{age}|F|artist|12345" for user, age in AGES.items()]
    (root / "u.user").write_text("\n".join(people) + "\n" + users)
    movies = [
        f"1|Toy Story (1995)|01-Jan-1995||http://x|{flags(3, 4, 5)}",
        f"2|Misérables, Les (1995)|||http://x|{flags(8)}",
        f"3|Good Morning (1971)|||http://x|{flags(0)}",
        f"4|unknown||||{flags()}",
    ]
    (root / "u.item").write_bytes(("\n".join(movies) + "\n").encode("latin-1"))
    return root


def recbole(root: Path) -> Path:
    root.mkdir()
    lines = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    (root / "ml-100k.inter").write_text("\n".join(lines + ["\t".join(map(str, rating)) for rating in RATINGS]))
    people = [f"{user}\t{age}\tF\tartist\t12345" for user, age in AGES.items()]
    head = "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token"
    (root / "ml-100k.user").write_text("\n".join([head, *people]))
    movies = [
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq",
        "1\tToy Story\t1995\tAnimation Children's Comedy",
        "2\tMisérables, Les\t1995\tDrama",
        "3\tGood Morning\t1971\tunknown",
        "4\tunknown\t\t",
    ]
    (root / "ml-100k.item").write_text("\n".join(movies), encoding="utf-8")
    return root


def prepared(root: Path, strict: bool = False) -> PreparedDataset:
    return prepare(MovieLens(), root, root.parent / f"{root.name}-out", source_name="movielens", strict=strict)


def test_domains_are_age_groups(tmp_path: Path) -> None:
    data = prepared(grouplens(tmp_path / "g"))
    rows = pl.concat([data.rows("train"), data.rows("valid"), data.rows("test")])
    found = dict(rows.select("user", "domain").unique().iter_rows())
    assert found == {"1": "under_25", "5": "under_25", "2": "25_34", "3": "25_34", "4": "35_and_over"}
    assert data.domains == ("under_25", "25_34", "35_and_over")
    assert rows["gender"].unique().to_list() == ["F"]
    assert rows["label"].sum() == sum(rating > 3 for _, _, rating, _ in RATINGS)


def test_both_layouts_give_the_same_dataset(tmp_path: Path) -> None:
    first, second = prepared(grouplens(tmp_path / "g")), prepared(recbole(tmp_path / "r"))
    assert first.fingerprint == second.fingerprint
    assert second.items.row(0) == ("1", 0, "Toy Story", 1995, "Animation, Children's, Comedy")


def test_bad_rows_are_counted_and_named(tmp_path: Path) -> None:
    root = grouplens(
        tmp_path / "g",
        ratings="1\t2\tfive\t1\n9\t2\t5\t1\n6\t2\t5\t1\n1\t2\n1\t2\t5\tnoon\n",
        users="6|old|M|x|1\n",
    )
    data = prepared(root)
    found = {p.reason: (p.count, p.domain, p.examples[0]) for p in data.manifest.problems}
    assert found == {
        "user without a readable age": (1, None, "u.user:6: 6|old|M|x|1"),
        "row of an unknown user (no row, or no age, in the users file)": (2, None, "u.data:52: 9 2 5 1"),
        "rating is not a number from 1 to 5": (2, "under_25", "u.data:51: 1 2 five 1"),
        "timestamp is not a number of seconds": (1, "under_25", "u.data:55: 1 2 5 noon"),
    }
    read, good = describe(data).sections[1].rows[:2]
    assert read == ["read", 23, 20, 10, 2, 55, None]  # every line of u.data
    assert good == ["well-formed", 20, 20, 10, 0, 50, 5]
    with pytest.raises(DataError, match=r"^u\.user:6: "):
        prepare(MovieLens(), root, tmp_path / "strict", source_name="movielens", strict=True)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no MovieLens-100K"):
        MovieLens().inputs(tmp_path)
    root = grouplens(tmp_path / "g")
    (root / "u.user").unlink()
    with pytest.raises(DataError, match=r"lacks u\.user"):
        MovieLens().inputs(root)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"MovieLens-100K is not at {REAL}")
@pytest.mark.real_data
def test_real_movielens(tmp_path: Path) -> None:
    data = prepare(MovieLens(), REAL, tmp_path / "out", source_name="movielens")
    assert [sum(step.rows.values()) for step in data.manifest.steps[:4]] == [100_000] * 4
    assert data.items.height == 1682
    assert data.manifest.problems == []
    assert {d: sum(data.counts(s)[d] for s in ("train", "valid", "test")) for d in data.domains} == {
        "under_25": 26_551,
        "25_34": 35_444,
        "35_and_over": 38_005,
    }
