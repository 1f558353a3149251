from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from ctrbench.cli import main
from ctrbench.data.checks import RESERVED
from ctrbench.data.describe import describe
from ctrbench.data.options import PrepareOptions
from ctrbench.data.prepare import prepare
from ctrbench.data.resolve import load_source
from ctrbench.data.store import PreparedDataset
from ctrbench.errors import ConfigError, DataError
from ctrbench.features.prompt import render
from ctrbench_plugins.datasets.movielens import GENRE_DOMAINS, OCCUPATION_DOMAINS, MovieLens
from ctrbench_plugins.datasets.movielens_files import LAYOUTS, OCCUPATION_CODES, OCCUPATIONS

REAL = Path(__file__).parents[3] / "shared" / "data" / "ml-100k"
needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason=f"MovieLens-100K is not at {REAL}")

AGES = {"1": 24, "2": 25, "3": 34, "4": 35, "5": 7}
RATINGS = [(user, str(n % 4 + 1), n % 5 + 1, 1000 + n) for user in AGES for n in range(10)]

USERS_1M = ["1::F::1::10::48067", "2::M::18::0::98107-2117", "3::M::25::20::02460", "4::F::56::4::55117"]
RATINGS_1M = [f"{user}::{n % 5 + 1}::{n % 5 + 1}::{978300000 + n}" for user in (1, 2, 3, 4) for n in range(10)]
MOVIES_1M = [
    "1::Toy Story (1995)::Animation|Children's|Comedy",
    "2::Cité des enfants perdus, La (City of Lost Children, The) (1995)::Adventure|Sci-Fi",
    "3::Land Before Time III, The (1995) (V)::Children's",
    "4::2001: A Space Odyssey::a remake (1968)::Film-Noir",
    "5::1900 (1976)::Drama",
]


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
        f"2|Misérables, Les (1995) (V)|||http://x|{flags(8)}",
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
        "2\tMisérables, Les (1995)\tV\tDrama",
        "3\tGood Morning\t1971\tunknown",
        "4\tunknown\t\t",
    ]
    (root / "ml-100k.item").write_text("\n".join(movies), encoding="utf-8")
    return root


def one_million(root: Path, ratings: tuple[str, ...] = (), users: tuple[str, ...] = (), end: str = "\n") -> Path:
    """1M's layout, with more ratings and users at the end, and another end of line."""
    root.mkdir()
    for name, lines in (
        ("ratings.dat", [*RATINGS_1M, *ratings]),
        ("users.dat", [*USERS_1M, *users]),
        ("movies.dat", MOVIES_1M),
    ):
        (root / name).write_bytes("".join(line + end for line in lines).encode("latin-1"))
    return root


def recbole_1m(root: Path) -> Path:
    root.mkdir()
    ratings = [line.replace("::", "\t") for line in RATINGS_1M]
    users = ["\t".join((u, age, gender, job, code)) for u, gender, age, job, code in (x.split("::") for x in USERS_1M)]
    movies = [
        "1\tToy Story\t1995\tAnimation Children's Comedy",
        "2\tCité des enfants perdus, La (City of Lost Children, The)\t1995\tAdventure Sci-Fi",
        "3\tLand Before Time III, The\t1995\tChildren's",
        "4\t2001: A Space Odyssey::a remake\t1968\tFilm-Noir",
        "5\t1900\t1976\tDrama",
    ]
    for name, head, lines in (
        ("ml-1m.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float", ratings),
        ("ml-1m.user", "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token", users),
        ("ml-1m.item", "item_id:token\tmovie_title:token_seq\trelease_year:token\tgenre:token_seq", movies),
    ):
        (root / name).write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return root


def prepared(root: Path, strict: bool = False, domain_by: str = "age", **options: object) -> PreparedDataset:
    source = load_source("movielens", {"domain_by": domain_by})
    out = root.parent / f"{root.name}-{domain_by}"
    general = PrepareOptions.model_validate(options)
    return prepare(source, root, out, general, source_name="movielens", strict=strict)


def all_rows(data: PreparedDataset) -> pl.DataFrame:
    return pl.concat([data.rows("train"), data.rows("valid"), data.rows("test")])


def domains_of(data: PreparedDataset, column: str) -> dict[str, str]:
    return dict(all_rows(data).select(column, "domain").unique().sort(column).iter_rows())


def reasons(data: PreparedDataset) -> dict[str, tuple[int, str | None, str]]:
    """Of rows of the files; what there is to say about the dataset as a whole has no example."""
    return {p.reason: (p.count, p.domain, p.examples[0]) for p in data.manifest.problems if p.examples}


def test_domains_are_age_groups(tmp_path: Path) -> None:
    data = prepared(grouplens(tmp_path / "g"))
    rows = all_rows(data)
    found = dict(rows.select("user", "domain").unique().iter_rows())
    assert found == {"1": "under_25", "5": "under_25", "2": "25_34", "3": "25_34", "4": "35_and_over"}
    assert data.domains == ("under_25", "25_34", "35_and_over")
    assert rows["gender"].unique().to_list() == ["F"]
    assert rows["label"].sum() == sum(rating > 3 for _, _, rating, _ in RATINGS)


@pytest.mark.parametrize(("first", "second"), [(grouplens, recbole), (one_million, recbole_1m)])
def test_both_layouts_give_the_same_dataset(
    tmp_path: Path, first: Callable[[Path], Path], second: Callable[[Path], Path]
) -> None:
    one, two = prepared(first(tmp_path / "g")), prepared(second(tmp_path / "r"))
    assert one.items.to_dicts() == two.items.to_dicts()
    assert one.fingerprint == two.fingerprint


def test_movies_have_title_year_genres_and_their_first_genre(tmp_path: Path) -> None:
    small = prepared(grouplens(tmp_path / "g")).items.drop("item_index").rows()
    assert small == [
        ("1", "Toy Story", 1995, "Animation, Children's, Comedy", "Animation"),
        ("2", "Misérables, Les", 1995, "Drama", "Drama"),
        ("3", "Good Morning", 1971, "unknown", "unknown"),
        ("4", "unknown", None, None, None),
    ]
    large = prepared(one_million(tmp_path / "m")).items.drop("item_index").rows()
    assert large == [
        ("1", "Toy Story", 1995, "Animation, Children's, Comedy", "Animation"),
        ("2", "Cité des enfants perdus, La (City of Lost Children, The)", 1995, "Adventure, Sci-Fi", "Adventure"),
        ("3", "Land Before Time III, The", 1995, "Children's", "Children's"),
        ("4", "2001: A Space Odyssey::a remake", 1968, "Film-Noir", "Film-Noir"),
        ("5", "1900", 1976, "Drama", "Drama"),
    ]


def test_codes_of_1m_are_written_out(tmp_path: Path) -> None:
    data = prepared(one_million(tmp_path / "m"))
    people = all_rows(data).select("user", "domain", "age", "gender", "occupation", "zip").unique().sort("user")
    assert people.rows() == [
        ("1", "under_25", "under 18", "F", "K-12 student", "48067"),
        ("2", "under_25", "18-24", "M", "other", "98107-2117"),
        ("3", "25_34", "25-34", "M", "writer", "02460"),
        ("4", "35_and_over", "56+", "F", "college/grad student", "55117"),
    ]
    assert data.manifest.problems == []


def test_line_ends_of_another_system_change_nothing(tmp_path: Path) -> None:
    one, two = prepared(one_million(tmp_path / "m")), prepared(one_million(tmp_path / "w", end="\r\n"))
    assert one.fingerprint == two.fingerprint


@pytest.mark.parametrize("layout", [grouplens, recbole, one_million, recbole_1m])
def test_every_field_is_a_column(tmp_path: Path, layout: Callable[[Path], Path]) -> None:
    data = prepared(layout(tmp_path / "x"))
    columns = {*data.items.columns, *data.rows("train").columns}
    assert {field.name for field in data.manifest.fields} <= columns
    assert not {"years", "known_user"} & columns


def test_domains_by_gender(tmp_path: Path) -> None:
    data = prepared(one_million(tmp_path / "m"), domain_by="gender")
    assert data.domains == ("female", "male")
    assert domains_of(data, "gender") == {"F": "female", "M": "male"}
    assert data.manifest.domains["female"] == "Female viewers"


def test_domains_by_occupation(tmp_path: Path) -> None:
    data = prepared(one_million(tmp_path / "m"), domain_by="occupation")
    assert data.domains == ("college_grad_student", "k_12_student", "other", "writer")
    assert domains_of(data, "user") == {"1": "k_12_student", "2": "other", "3": "writer", "4": "college_grad_student"}
    assert data.manifest.domains["k_12_student"] == "Viewers with occupation K-12 student"
    assert prepared(grouplens(tmp_path / "g"), domain_by="occupation").domains == ("artist",)


def test_domains_by_first_genre(tmp_path: Path) -> None:
    data = prepared(one_million(tmp_path / "m"), domain_by="genre")
    assert data.domains == ("adventure", "animation", "childrens", "drama", "film_noir")
    found = {"1": "animation", "2": "adventure", "3": "childrens", "4": "film_noir", "5": "drama"}
    assert domains_of(data, "item") == found
    assert data.manifest.domains["film_noir"] == "Film-Noir movies"
    seen = all_rows(data).explode("history").drop_nulls("history")
    assert (seen["history"].replace_strict(found) != seen["domain"]).any()  # a user's history crosses domains


def test_rows_whose_domain_cannot_be_told_are_counted(tmp_path: Path) -> None:
    data = prepared(grouplens(tmp_path / "g", ratings="1\t99\t5\t2000\n"), domain_by="genre")
    assert data.domains == ("unknown", "animation", "drama")  # published as unknown; movie 4 has no genre at all
    assert reasons(data) == {
        "movie without a readable year: unknown": (1, None, "u.item:4: unknown"),
        "row of an unknown movie (no row, or no known genre, in the movies file)": (11, None, "u.data:4: 1 4 4 1003"),
    }
    assert {row[0]: row[1:3] for row in describe(data).sections[1].rows}["all"] == [51, 40]
    strange = ("7::X::25::0::1", "8::M::25::21::1")
    rows = ("7::1::5::1", "8::1::5::1")
    for domain_by, person in (
        ("gender", "users.dat:5: 7::X::25::0::1"),
        ("occupation", "users.dat:6: 8::M::25::21::1"),
    ):
        root = one_million(tmp_path / domain_by, ratings=rows, users=strange)
        found = reasons(prepared(root, domain_by=domain_by))
        assert found[f"user without a known {domain_by}"] == (1, None, person)
        row = f"row of an unknown user (no row, or no known {domain_by}, in the users file)"
        assert found[row][:2] == (1, None)


def test_a_user_of_unknown_age_stays_where_domains_are_genres(tmp_path: Path) -> None:
    root = one_million(tmp_path / "m", ratings=("7::1::5::1", "8::1::5::1"), users=("7::F::2::99",))
    data = prepared(root, domain_by="genre")
    assert reasons(data) == {
        "row of an unknown user (no row in the users file)": (1, "animation", "ratings.dat:42: 8::1::5::1")
    }
    row = all_rows(data).filter(user="7").select("age", "occupation", "zip").row(0)
    assert row == ("2", "99", None)  # what is no published code stays as it is


def test_bad_rows_are_counted_and_named(tmp_path: Path) -> None:
    root = grouplens(
        tmp_path / "g",
        ratings="1\t2\tfive\t1\n9\t2\t5\t1\n6\t2\t5\t1\n1\t2\n1\t2\t5\tnoon\n",
        users="6|old|M|x|1\n",
    )
    data = prepared(root)
    assert reasons(data) == {
        "movie without a readable year: unknown": (1, None, "u.item:4: unknown"),
        "user without a known age": (1, None, "u.user:6: 6|old|M|x|1"),
        "row of an unknown user (no row, or no known age, in the users file)": (2, None, "u.data:52: 9 2 5 1"),
        "rating is not a number from 1 to 5": (2, "under_25", "u.data:51: 1 2 five 1"),
        "timestamp is not a number of seconds": (1, "under_25", "u.data:55: 1 2 5 noon"),
    }
    read = next(section for section in describe(data).sections if section.title.startswith("Rows after"))
    assert [row[0] for row in read.rows[-3:]] == ["in no domain", "all", "left out"]
    assert read.rows[-2][1:3] == [55, 50]
    with pytest.raises(DataError, match=r"^u\.user:6: "):
        prepare(MovieLens(), root, tmp_path / "strict", source_name="movielens", strict=True)


def test_bad_rows_of_1m_are_counted_and_named(tmp_path: Path) -> None:
    bad = ("1::2::9::978300000", "1::2", "1::::5::978300000", "77::2::5::1", "1::2::5::", "1::77::5::1")
    root = one_million(tmp_path / "m", ratings=bad, users=("1::M::25::0::1", "5::M::2::0::1", "::M::25::0::1"))
    data = prepared(root)
    assert reasons(data) == {
        "user without id": (1, "25_34", "users.dat:7: ::M::25::0::1"),
        "user without a known age": (1, None, "users.dat:6: 5::M::2::0::1"),
        "user described again: the first description stands": (1, None, "users.dat:5: user 1"),
        "row of an unknown user (no row, or no known age, in the users file)": (1, None, "ratings.dat:44: 77::2::5::1"),
        "row without a movie": (1, "under_25", "ratings.dat:43: 1::::5::978300000"),
        "rating is not a number from 1 to 5": (2, "under_25", "ratings.dat:41: 1::2::9::978300000"),
        "timestamp is not a number of seconds": (1, "under_25", "ratings.dat:45: 1::2::5::"),
        "unknown item: no row in the items table": (1, "under_25", "ratings.dat:46: user 1, item 77, time 1"),
    }
    assert all_rows(data).height == 40


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no MovieLens: put there u\.data, u\.item, u\.user") as caught:
        MovieLens().inputs(tmp_path)
    assert all(name in str(caught.value) for layout in LAYOUTS for name in layout.files)
    for root, gone, release in (
        (grouplens(tmp_path / "g"), "u.user", "100K"),
        (one_million(tmp_path / "m"), "movies.dat", "1M"),
        (recbole_1m(tmp_path / "r"), "ml-1m.item", "1M"),
    ):
        (root / gone).unlink()
        with pytest.raises(DataError, match=rf"lacks {gone}: unpack the whole of MovieLens-{release} there"):
            MovieLens().inputs(root)
    with pytest.raises(DataError, match="give the one with MovieLens as --root"):
        MovieLens().inputs(tmp_path / "nowhere")


def test_a_whole_layout_is_read_whatever_lies_beside_it(tmp_path: Path) -> None:
    root = recbole(tmp_path / "r")
    (root / "u.data").touch()
    assert [path.name for path in MovieLens().inputs(root)] == ["ml-100k.inter", "ml-100k.item", "ml-100k.user"]
    for path in one_million(tmp_path / "m").iterdir():
        path.rename(root / path.name)
    with pytest.raises(DataError, match="both MovieLens-100K and MovieLens-1M"):
        MovieLens().inputs(root)


def test_a_wrong_option_is_one_sentence_with_the_allowed_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = one_million(tmp_path / "m")
    words = ["data", "prepare", "movielens", "--root", str(root), "--out", str(tmp_path / "out")]
    for option, says in (
        (["-o", "domain_by=zip"], "domain_by in the options of dataset 'movielens': input should be"),
        (["-o", "domain_b=age"], "Did you mean 'domain_by'?"),
        (
            ["--split", "rnd"],
            "split in the options of the preparation: input should be 'time', 'global_time' or 'random', not 'rnd'",
        ),
        (["--split-seed", "x"], "split_seed in the options of the preparation: input should be a valid integer"),
    ):
        assert main([*words, *option]) == 2
        said = capsys.readouterr().err.strip()
        assert says in said
        assert "\n" not in said
    with pytest.raises(ConfigError, match="'age', 'gender', 'occupation' or 'genre', not 'zip'"):
        load_source("movielens", {"domain_by": "zip"})
    assert not (tmp_path / "out").exists()


def test_split_and_seed_are_options_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = one_million(tmp_path / "m")
    made = {}
    for name, options in (
        ("zero", ["--split", "random"]),
        ("one", ["--split", "random", "--split-seed", "1"]),
        ("long", ["-o", "split=random", "-o", "split_seed=1"]),
    ):
        out = tmp_path / name
        words = ["data", "prepare", "movielens", "--root", str(root), "--out", str(out), "-o", "domain_by=gender"]
        assert main([*words, *options]) == 0
        made[name] = PreparedDataset.open(out).fingerprint
    assert made["one"] == made["long"] != made["zero"]
    assert "female: 16 train, 2 valid, 2 test" in capsys.readouterr().out


def test_names_of_domains_are_plain_and_differ() -> None:
    every = [*OCCUPATION_DOMAINS.values(), *GENRE_DOMAINS.values(), *MovieLens().domains(), "female", "male"]
    assert len(set(every)) == len(every) == len({*OCCUPATIONS, *OCCUPATION_CODES}) + 19 + 3 + 2
    assert all(name.replace("_", "").isalnum() and name == name.lower() for name in every)
    assert not set(every) & set(RESERVED)
    assert set(MovieLens.domain_titles) == set(every)
    assert len(OCCUPATION_CODES) == len(OCCUPATIONS) == 21


def test_prompts_read_well(tmp_path: Path) -> None:
    data = prepared(one_million(tmp_path / "m"), domain_by="genre")
    rows = all_rows(data).filter(user="1", item="4").head(1)
    text = render(rows, data.items, data.manifest.prompts["default"], data.manifest.domains).item()
    assert text.startswith("Film-Noir movies: The user ID is user_0, age under 18, gender F, occupation K-12 student, ")
    assert text.endswith("the year is 1968, the genres are Film-Noir.")


@needs_real_data
@pytest.mark.real_data
def test_real_movielens(tmp_path: Path) -> None:
    data = prepare(MovieLens(), REAL, tmp_path / "out", source_name="movielens")
    assert [sum(step.rows.values()) for step in data.manifest.steps[:4]] == [100_000] * 4
    assert data.items.height == 1682
    assert reasons(data) == {"movie without a readable year: unknown": (1, None, "ml-100k.item:268: unkonwn")}
    assert {d: sum(data.counts(s)[d] for s in ("train", "valid", "test")) for d in data.domains} == {
        "under_25": 26_551,
        "25_34": 35_444,
        "35_and_over": 38_005,
    }
    assert not all_rows(data).select("age", "gender", "occupation", "zip").null_count().sum_horizontal().item()


@needs_real_data
@pytest.mark.real_data
@pytest.mark.parametrize(("domain_by", "number"), [("gender", 2), ("occupation", 21), ("genre", 19)])
def test_real_movielens_in_other_domains(tmp_path: Path, domain_by: str, number: int) -> None:
    data = prepare(MovieLens(MovieLens.Options(domain_by=domain_by)), REAL, tmp_path / "out", source_name="movielens")
    assert len(data.domains) == number
    assert all_rows(data).height == 100_000
    assert all(section.rows for section in describe(data).sections)
    small = {p.domain for p in data.manifest.problems if p.reason.startswith("no rows in the split")}
    assert small == ({"fantasy"} if domain_by == "genre" else set())


@needs_real_data
@pytest.mark.real_data
@pytest.mark.parametrize("domain_by", ["age", "genre"])
def test_real_movielens_split_at_random_shows_no_label_of_the_test_rows(tmp_path: Path, domain_by: str) -> None:
    source = MovieLens(MovieLens.Options(domain_by=domain_by))
    data = prepare(source, REAL, tmp_path / "out", PrepareOptions(split="random"), source_name="movielens")
    sizes = {split: sum(data.counts(split).values()) for split in ("train", "valid", "test")}
    assert all(
        abs(sizes[split] - rows) < 20 for split, rows in (("train", 80_000), ("valid", 10_000), ("test", 10_000))
    )
    entries = all_rows(data).select("user", pl.col("time").alias("until"), pl.col("history").alias("item"))
    entries = entries.explode("item").drop_nulls("item")
    positive = data.rows("train").filter(label=1).select("user", "item", "time")
    known = entries.join(positive, on=["user", "item"], how="inner").filter(pl.col("time") < pl.col("until"))
    assert known.height == entries.height > 400_000
