from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ctrbench.data.describe import describe
from ctrbench.data.options import PrepareOptions
from ctrbench.data.prepare import prepare
from ctrbench.data.store import PreparedDataset
from ctrbench.errors import DataError
from ctrbench_plugins.datasets import amazon2018
from ctrbench_plugins.datasets.amazon2018 import Amazon2018
from ctrbench_plugins.datasets.amazon2023 import Amazon2023

REAL = Path(__file__).parents[3] / "shared" / "data" / "amazon2018"
DAY = 86_400

absent = pytest.mark.skipif(not REAL.is_dir(), reason=f"the published Amazon files are not at {REAL}")


def review(user: str, asin: str, day: int, rating: Any = 5.0) -> dict[str, Any]:
    return {
        "overall": rating,
        "reviewerID": user,
        "asin": asin,
        "unixReviewTime": day * DAY,
        "reviewText": 'a "b"\n',
    }


def product(asin: str, **values: Any) -> dict[str, Any]:
    base = {
        "asin": asin,
        "title": f"Title of {asin}",
        "brand": "Brand",
        "price": "$9.99",
        "rank": "1 in Gifts",
    }
    return {**base, **values}


def write(path: Path, rows: Iterable[dict[str, Any] | str]) -> None:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


REVIEWS = [review(f"U{n % 3}", f"P{n % 5}", n // 2, float(n % 5 + 1)) for n in range(20)]
LATE = 15_000  # a day in 2011
PRODUCTS = [product(f"P{n}") for n in range(5)]

Make = Callable[..., PreparedDataset]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    root.mkdir()
    write(root / "Gift_Cards.json.gz", REVIEWS)
    write(root / "meta_Gift_Cards.json.gz", PRODUCTS)
    return root


@pytest.fixture
def make(root: Path) -> Make:
    def prepared(*, strict: bool = False, general: dict[str, Any] | None = None, **options: Any) -> PreparedDataset:
        source = Amazon2018(Amazon2018.Options(**options))
        preparation = PrepareOptions(**(general or {}))
        out = root.parent / "out"
        return prepare(source, root, out, preparation, strict=strict, overwrite=True, source_name="amazon2018")

    return prepared


def reasons(data: PreparedDataset) -> dict[str, tuple[int, str]]:
    return {p.reason: (p.count, p.examples[0]) for p in data.manifest.problems}


def item(data: PreparedDataset, name: str) -> dict[str, Any]:
    return data.items.filter(item=name).to_dicts()[0]


def test_rows_items_and_prompts(make: Make) -> None:
    data = make()
    assert data.counts("train") == {"gift_cards": 16}
    assert data.manifest.domains == {"gift_cards": "Gift Cards"}
    assert item(data, "P1") == {
        "item": "P1",
        "item_index": 1,
        "title": "Title of P1",
        "brand": "Brand",
        "price": 9.99,
        "price_text": "9.99$",
    }
    assert [file.path for file in data.manifest.inputs] == ["Gift_Cards.json.gz", "meta_Gift_Cards.json.gz"]
    assert set(data.manifest.prompts) == {"default", "paper"}


def test_bad_rows_are_counted_by_reason_and_named_by_file_and_line(root: Path, make: Make) -> None:
    write(
        root / "Gift_Cards.json.gz",
        [
            *REVIEWS[:4],
            '{"overall": 5.0, "reviewerID": "U1", "asin": "P1", "unixReviewTime": 86400',
            {**REVIEWS[0], "reviewerID": None},
            {"overall": 5.0, "asin": "P1", "unixReviewTime": 1},
            review("U1", "P1", 9, "five"),
            review("U1", "P1", 9, 17),
            {**REVIEWS[0], "unixReviewTime": "yesterday"},
            {**REVIEWS[0], "asin": " "},
            review("U1", "unheard-of", 9),
            "",
            *REVIEWS[4:],
        ],
    )
    data = make()
    found = reasons(data)
    assert {reason: count for reason, (count, _) in found.items()} == {
        "broken JSON line": 1,
        "row without reviewerID": 2,
        "rating is not a number from 1 to 5": 2,
        "unixReviewTime is not a number of seconds": 1,
        "row without asin": 1,
        "unknown item: no row in the items table": 1,
    }
    assert found["broken JSON line"][1].startswith('Gift_Cards.json.gz:5: {"overall": 5.0')
    assert found["rating is not a number from 1 to 5"][1].startswith('Gift_Cards.json.gz:8: {"overall": "five"')
    assert found["unknown item: no row in the items table"][1].startswith("Gift_Cards.json.gz:12: user U1, item unh")
    assert [step.rows["gift_cards"] for step in data.manifest.steps[:3]] == [28, 21, 20]


@pytest.mark.parametrize("bad", ['{"broken', review("U", "P1", 1, "five"), review("U", "nowhere", 1)])
def test_strict_makes_the_first_bad_row_the_error(root: Path, make: Make, bad: Any) -> None:
    write(root / "Gift_Cards.json.gz", [REVIEWS[0], bad])
    with pytest.raises(DataError, match=r"^Gift_Cards\.json\.gz:2: "):
        make(strict=True)
    assert not (root.parent / "out").exists()


def test_metadata_as_dirty_as_the_real_one(root: Path, make: Make) -> None:
    products = [
        product("P0", title="Tom &amp;amp; Jerry <b>Card</b>", price="$1,299.00", rank=["a list"], brand=""),
        product("P1", title="var x = (new Date()).getTime();", price=".a-box{width:1px}"),
        product("P2", price="$10.00 - $20.00", brand="by\n    \n    Acme"),
        {"asin": "P3"},
        product("P4", title=["Listed title"], price=""),
        product("P0", title="A second P0"),
        {"title": "no asin"},
    ]
    write(root / "meta_Gift_Cards.json.gz", products)
    data = make()
    assert [item(data, f"P{n}")["title"] for n in range(5)] == [
        "Tom & Jerry Card",
        None,
        "Title of P2",
        None,
        "Listed title",
    ]
    assert data.items["price"].to_list() == [1299.0, None, 15.0, None, None]
    assert [item(data, f"P{n}")["brand"] for n in (0, 2, 3)] == [None, "by Acme", None]
    found = reasons(data)
    assert found["title holds page code: unknown"][0] == 1
    assert found["price is not readable: unknown"] == (1, "meta_Gift_Cards.json.gz:2: .a-box{width:1px}")
    assert found["item described again: the first description stands"][0] == 1
    assert found["product without asin"][0] == 1


def test_the_published_codes_prices(root: Path, make: Make) -> None:
    prices = ["$10.00", "$20.00", "$10.00 - $99.00", "", "$1,000.00"]
    write(root / "meta_Gift_Cards.json.gz", [product(f"P{n}", price=price) for n, price in enumerate(prices)])
    assert make(price="mean").items["price"].to_list() == [10.0, 20.0, 15.0, 15.0, 15.0]


def test_the_first_domain_describes_an_item_of_two(root: Path, make: Make) -> None:
    write(root / "AMAZON_FASHION_5.json", [review("U1", "P1", n) for n in range(10)])
    write(root / "meta_AMAZON_FASHION.json", [product("P1", title="From fashion")])
    data = make()
    assert data.domains == ("fashion", "gift_cards")
    assert data.manifest.domains["fashion"] == "Amazon Fashion"
    assert item(data, "P1")["title"] == "From fashion"


def test_any_category_the_papers_first(root: Path, make: Make) -> None:
    for name in ("Appliances", "Digital_Music"):
        write(root / f"{name}.json", [review("U1", f"{name}{n}", n) for n in range(10)])
        write(root / f"meta_{name}.json", [product(f"{name}{n}") for n in range(10)])
    assert make().domains == ("gift_cards", "digital_music", "appliances")
    assert make(categories="appliances, Gift_Cards").domains == ("gift_cards", "appliances")
    with pytest.raises(DataError, match=r"'books'.*it has Gift_Cards, Digital_Music, Appliances"):
        make(categories="books")


def test_histories_cross_domains(root: Path, make: Make) -> None:
    write(root / "All_Beauty.json", [review("U0", "B1", 0), review("U0", "B2", 1)])
    write(root / "meta_All_Beauty.json", [product("B1"), product("B2")])
    rows = make().rows("test", ["gift_cards"]).filter(user="U0")
    assert {"B1", "B2"} & set(rows["history"].explode())
    own = make(general={"history": "domain"}).rows("test", ["gift_cards"])
    assert not {"B1", "B2"} & set(own["history"].explode())


def test_all_reviews_are_preferred_to_the_5core(root: Path, make: Make) -> None:
    write(root / "Gift_Cards_5.json.gz", REVIEWS[:10])
    assert sum(make().manifest.steps[0].rows.values()) == 20
    assert sum(make(reviews="5core").manifest.steps[0].rows.values()) == 10


def test_missing_metadata_is_an_error_unless_allowed(root: Path, make: Make) -> None:
    (root / "meta_Gift_Cards.json.gz").unlink()
    with pytest.raises(DataError, match=r"meta_Gift_Cards\.json\.gz"):
        make()
    data = make(missing_meta="allow")
    assert data.items.drop("item", "item_index").null_count().row(0) == (5, 5, 5, 5)
    assert sum(data.counts("test").values()) == 2


def test_metadata_of_another_category_wins_over_none(root: Path, make: Make) -> None:
    write(root / "AMAZON_FASHION.json", [review("U1", "P1", n) for n in range(10)])
    data = make(missing_meta="allow")
    assert data.domains == ("fashion", "gift_cards")
    assert item(data, "P1")["title"] == "Title of P1"


def test_plain_and_gzip_files_give_one_fingerprint(root: Path, make: Make) -> None:
    zipped = make()
    for path in list(root.iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    plain = make()
    assert plain.fingerprint == zipped.fingerprint
    assert plain.manifest.inputs != zipped.manifest.inputs


def test_the_files_are_looked_at_once_and_anew_for_the_next_preparation(root: Path, monkeypatch: Any) -> None:
    looked = []
    found = amazon2018.find_categories
    monkeypatch.setattr(amazon2018, "find_categories", lambda *asked: looked.append(asked) or found(*asked))
    source = Amazon2018()
    prepare(source, root, root.parent / "one", source_name="amazon2018")
    assert len(looked) == 1
    write(root / "All_Beauty.json.gz", REVIEWS[1:])
    write(root / "meta_All_Beauty.json.gz", PRODUCTS[:4])
    data = prepare(source, root, root.parent / "two", source_name="amazon2018")
    assert list(data.domains) == ["gift_cards", "all_beauty"]


def test_files_that_cannot_be_used_are_one_sentence(root: Path, make: Make) -> None:
    reviews = root / "Gift_Cards.json.gz"
    whole = reviews.read_bytes()
    for content, says in (
        (whole[: len(whole) // 2], "cannot be read"),
        (b"", "is empty"),
        (gzip.compress(b""), "is empty"),
        (b'{"reviewerID": "\xff"}\n', "cannot be read"),
        (b"[1, 2]\nnull\n", "no usable row"),
    ):
        reviews.write_bytes(content)
        with pytest.raises(DataError, match=says) as caught:
            make()
        assert "\n" not in str(caught.value)
        assert not (root.parent / "out").exists()


def test_prices_and_texts_that_mean_nothing_are_not_told_as_unreadable(root: Path, make: Make) -> None:
    prices: list[Any] = [None, "", "—", "None", "from $3"]
    products = [product(f"P{n}", price=price) for n, price in enumerate(prices)]
    products[0]["brand"] = "var a = 1; function f(){}"
    products[1]["title"] = "<br/>"
    write(root / "meta_Gift_Cards.json.gz", products)
    data = make()
    assert data.items["price"].to_list() == [None, None, None, None, 3.0]
    assert {reason: found[0] for reason, found in reasons(data).items()} == {
        "brand holds page code: unknown": 1,
        "title holds page code: unknown": 1,
        "price is the lowest of several ('from'): taken as the price": 1,
    }


def test_the_same_rows_however_they_are_written(root: Path, make: Make) -> None:
    whole = make().fingerprint
    path = root / "Gift_Cards.json.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    pretty = "\n".join(json.dumps(json.loads(line), indent=2) for line in text.splitlines())
    array = json.dumps([json.loads(line) for line in text.splitlines()], indent=2)
    for form in (
        text.replace("\n", "\r\n"),
        "\ufeff" + text,
        text.rstrip(),
        pretty,
        array,
        text.replace("U1", "U\\u00001"),
    ):
        path.write_bytes(gzip.compress(form.encode()))
        assert make().fingerprint == whole
    path.write_bytes(gzip.compress(text[:100].encode()) + gzip.compress(text[100:].encode()))
    assert make().fingerprint == whole
    path.unlink()
    pl.DataFrame(REVIEWS).lazy().sink_ndjson(root / "Gift_Cards.json.zst", compression="zstd")
    assert make().fingerprint == whole


def test_ids_are_text(root: Path, make: Make) -> None:
    ids = ["0001", "1", 2, "日本", " P4 "]
    write(root / "meta_Gift_Cards.json.gz", [{**product(""), "asin": name} for name in ids])
    write(
        root / "Gift_Cards.json.gz",
        [{**review("", "", n, n % 5 + 1), "reviewerID": ids[n % 5], "asin": ids[n % 5]} for n in range(20)],
    )
    data = make()
    assert data.items["item"].to_list() == ["0001", "1", "2", "P4", "日本"]
    assert set(data.rows("train")["user"]) == {"0001", "1", "2", "P4", "日本"}


def review_2023(user: str, item: str, day: int, rating: Any = 5.0) -> dict[str, Any]:
    made = {
        "rating": rating,
        "title": "Fine",
        "text": "It is.",
        "asin": "variant",
        "parent_asin": item,
        "user_id": user,
    }
    return {**made, "timestamp": (LATE + day) * DAY * 1000 + 999, "helpful_vote": 0, "verified_purchase": True}


def product_2023(item: str, **values: Any) -> dict[str, Any]:
    made = {"main_category": "Gift Cards", "title": f"Title of {item}", "price": 9.99, "store": "Brand"}
    return {**made, "details": {"a": "b"}, "parent_asin": item, **values}


def write_2023(root: Path, name: str, ending: str = ".jsonl.gz") -> None:
    reviews = [
        review_2023(row["reviewerID"], row["asin"], row["unixReviewTime"] // DAY, row["overall"]) for row in REVIEWS
    ]
    write(root / f"{name}{ending}", reviews)
    write(root / f"meta_{name}{ending}", [product_2023(f"P{n}") for n in range(5)])


@pytest.fixture
def empty(root: Path) -> Path:
    for path in root.iterdir():
        path.unlink()
    return root


@pytest.mark.parametrize("ending", [".jsonl.gz", ".jsonl", ".json"])
def test_the_2023_release_says_the_same_in_other_words(root: Path, make: Make, ending: str) -> None:
    late = [{**row, "unixReviewTime": row["unixReviewTime"] + LATE * DAY} for row in REVIEWS]
    write(root / "Gift_Cards.json.gz", late)
    of_2018 = make().fingerprint
    for path in root.iterdir():
        path.unlink()
    write_2023(root, "Gift_Cards", ending)
    data = make()
    assert data.fingerprint == of_2018
    assert not data.manifest.problems


def test_the_2023_releases_own_quirks(empty: Path, make: Make) -> None:
    write_2023(empty, "Amazon_Fashion")
    prices: list[Any] = [26.95, None, "None", "—", "from 3.00"]
    write(
        empty / "meta_Amazon_Fashion.jsonl.gz", [product_2023(f"P{n}", price=prices[n], store=None) for n in range(5)]
    )
    data = make()
    assert data.manifest.domains == {"fashion": "Amazon Fashion"}
    assert data.items["price"].to_list() == [26.95, None, None, None, 3.0]
    assert make(price="mean").items["price"].to_list() == [26.95] * 5
    bad = [
        {**review_2023("U", "P1", 9), "timestamp": 20_000},
        {**review_2023("U", "P1", 9), "parent_asin": None},
    ]
    write(empty / "Amazon_Fashion.jsonl.gz", [*(review_2023(f"U{n}", "P1", n, n % 5 + 1) for n in range(9)), *bad])
    assert {reason: found[0] for reason, found in reasons(make()).items() if "price" not in reason} == {
        "timestamp is not a number of milliseconds": 1,
        "row without parent_asin": 1,
    }


def test_times_in_the_other_releases_unit_are_an_error(root: Path, make: Make) -> None:
    def refused(says: str) -> None:
        with pytest.raises(DataError, match=says):
            make()
        assert not (root.parent / "out").exists()

    write(root / "Gift_Cards.json.gz", [*REVIEWS, {**REVIEWS[0], "unixReviewTime": 1_500_000_000_000}])
    refused(r"^Gift_Cards\.json\.gz:21: .*: unixReviewTime is in milliseconds, and this release has seconds \(1 such")
    for file in root.iterdir():
        file.unlink()
    write_2023(root, "Amazon_Fashion")
    seconds = {**review_2023("U", "P1", 9), "timestamp": 1_500_000_000}
    write(root / "Amazon_Fashion.jsonl.gz", [review_2023("U", "P1", 9), seconds, seconds])
    refused(r"^Amazon_Fashion\.jsonl\.gz:2: .*: timestamp is in seconds, and this release has milliseconds \(2 such")


def test_times_that_are_in_no_unit_are_left_out(root: Path, make: Make) -> None:
    odd = [{**REVIEWS[0], "unixReviewTime": time} for time in (-5, 10**15, None, "soon")]
    write(root / "Gift_Cards.json.gz", [*REVIEWS, *odd])
    assert reasons(make())["unixReviewTime is not a number of seconds"][0] == 4


def test_changed_values_are_told(root: Path, make: Make) -> None:
    products = [product(f"P{n}") for n in range(5)]
    products[1] |= {"title": "Salt &amp;amp; <b>Pepper</b>", "price": "$5.99 - $20.00", "brand": ["One", "Two"]}
    products[2] |= {"title": "  Only \n spaces ", "price": "$1,299.00"}
    write(root / "meta_Gift_Cards.json.gz", products)
    data = make()
    assert data.items["title"].to_list()[1:3] == ["Salt & Pepper", "Only spaces"]
    rewritten = "{} holds HTML, or is a list: taken as plain text, the first of the list"
    assert reasons(data) == {
        rewritten.format("title"): (1, "meta_Gift_Cards.json.gz:2: Salt &amp;amp; <b>Pepper</b>"),
        rewritten.format("brand"): (1, 'meta_Gift_Cards.json.gz:2: ["One", "Two"]'),
        "price is a range: its middle is taken": (1, "meta_Gift_Cards.json.gz:2: $5.99 - $20.00"),
    }
    assert not any(problem.error for problem in data.manifest.problems)


def test_one_folder_holds_one_release(root: Path, make: Make) -> None:
    def refused(says: str) -> None:
        with pytest.raises(DataError, match=says) as caught:
            make()
        assert "\n" not in str(caught.value)

    write_2023(root, "All_Beauty")
    refused(r"Gift_Cards\.json\.gz is of 2018, All_Beauty\.jsonl\.gz of 2023")
    assert make(categories="gift_cards").domains == ("gift_cards",)
    (root / "meta_Gift_Cards.json.gz").rename(root / "away")
    write_2023(root, "Gift_Cards")
    refused(r"Gift_Cards\.json\.gz and Gift_Cards\.jsonl\.gz, which are one category in two releases")
    (root / "Gift_Cards.jsonl.gz").unlink()
    refused(r"Gift_Cards\.json\.gz is of 2018, meta_Gift_Cards\.jsonl\.gz of 2023")


def test_one_category_under_two_names(root: Path, make: Make) -> None:
    write(root / "AMAZON_FASHION.json.gz", REVIEWS)
    write_2023(root, "Amazon_Fashion")
    with pytest.raises(DataError, match="one category in two releases"):
        make()


def test_the_2023_dataset_takes_its_own_release_alone(root: Path) -> None:
    with pytest.raises(DataError, match=r"holds Amazon reviews of 2018: prepare it as amazon2018$"):
        Amazon2023().inputs(root)
    for path in root.iterdir():
        path.unlink()
    write_2023(root, "Gift_Cards")
    assert [path.name for path in Amazon2023().inputs(root)] == ["Gift_Cards.jsonl.gz", "meta_Gift_Cards.jsonl.gz"]
    assert Amazon2018().inputs(root) == Amazon2023().inputs(root), "to it, they are a second format"


def test_folders_without_reviews(root: Path, tmp_path: Path) -> None:
    for folder, says in ((root / "nowhere", "not a folder"), (tmp_path, "no review file")):
        with pytest.raises(DataError, match=says):
            Amazon2018().inputs(folder)


@absent
@pytest.mark.real_data
def test_real_gift_cards(tmp_path: Path) -> None:
    source = Amazon2018(Amazon2018.Options(categories=("gift_cards",)))
    data = prepare(source, REAL, tmp_path / "out", source_name="amazon2018")
    assert [sum(step.rows.values()) for step in data.manifest.steps] == [
        2972,
        2972,
        2972,
        2969,
        2375,
        297,
        297,
    ]
    assert data.items.height == 1547
    assert data.items.select(pl.col("title", "brand").str.contains("<|getTime|  ").any()).row(0) == (
        False,
        False,
    )
    assert data.items["price"].is_between(0, 2000).all()
    sections = {section.title: section for section in describe(data).sections}
    assert sections["Sizes (Table II)"].rows[-1][:4] == ["all", 458, 148, 2969]


@absent
@pytest.mark.real_data
def test_real_all_beauty_needs_its_metadata(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="meta_All_Beauty"):
        prepare(Amazon2018(), REAL, tmp_path / "out", source_name="amazon2018")
    allowed = Amazon2018(Amazon2018.Options(missing_meta="allow"))
    data = prepare(allowed, REAL, tmp_path / "out", source_name="amazon2018")
    repeats = [p.count for p in data.manifest.problems if p.domain == "all_beauty" and "repeated" in p.reason]
    assert repeats == [1108]
