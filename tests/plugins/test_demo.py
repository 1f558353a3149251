"""The demo is what its docstring says: reproducible raw files with a known truth."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score

from ctrbench.api import DataError
from ctrbench.data.prepare import prepare
from ctrbench.data.store import PreparedDataset
from ctrbench_plugins.datasets.amazon_published import PAPER_COUNTS
from ctrbench_plugins.datasets.demo import Demo
from ctrbench_plugins.datasets.demo_ids import asins, reviewer_ids
from ctrbench_plugins.datasets.demo_process import Domain, uniform
from ctrbench_plugins.datasets.demo_raw import (
    raw_files,
    reviews_frame,
    titles,
    with_weight,
    write_raw,
)
from ctrbench_plugins.datasets.demo_text import texts
from ctrbench_plugins.datasets.demo_words import ATTRIBUTES, DOMAINS, PAPER_DOMAINS, PAPER_SCALE

ROWS = {
    "fashion": 2500,
    "musical_instruments": 2500,
    "gift_cards": 900,
    "digital_music": 1200,
    "all_beauty": 1000,
}
REVIEW_KEYS = {
    *("overall", "verified", "reviewTime", "reviewerID", "asin", "reviewerName", "reviewText", "summary"),
    *("unixReviewTime", "true_probability"),
}
META_KEYS = {
    *("category", "description", "title", "also_buy", "also_view", "feature", "image", "brand", "price"),
    *("main_cat", "date", "asin", "rank"),
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "raw"
    Demo().download(root)
    return root


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("paper")
    Demo(Demo.Options(shape="paper")).download(root)
    return root


@pytest.fixture(scope="module")
def prepared(raw: Path) -> PreparedDataset:
    return prepare(Demo(), raw, raw.with_name("prepared"), source_name="demo", strict=True)


def read(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def contents(root: Path) -> dict[str, bytes]:
    return {name: (root / name).read_bytes() for name in raw_files()}


@pytest.mark.parametrize("chunk", [97, 100_000])
def test_bytes_depend_on_options_alone(raw: Path, tmp_path: Path, chunk: int) -> None:
    write_raw(tmp_path, scale=1.0, seed=0, chunk=chunk)
    assert contents(tmp_path) == contents(raw)


def test_bytes_of_the_papers_shape_do_not_depend_on_the_chunk(paper: Path, tmp_path: Path) -> None:
    write_raw(tmp_path, scale=1.0, seed=0, shape="paper", chunk=1013)
    assert contents(tmp_path) == contents(paper)


def test_another_seed_is_another_draw(raw: Path, tmp_path: Path) -> None:
    write_raw(tmp_path, scale=1.0, seed=1)
    other = contents(tmp_path)
    assert all(other[name] != data for name, data in contents(raw).items())


def test_row_counts_follow_the_scale(prepared: PreparedDataset, tmp_path: Path) -> None:
    read_rows = prepared.manifest.steps[0].rows
    assert read_rows == ROWS
    write_raw(tmp_path, scale=0.1, seed=0)
    assert [len(read(tmp_path / f"{words.file}.json.gz")) for words in DOMAINS] == [250, 250, 90, 120, 100]


def test_files_have_amazons_keys_and_kinds(raw: Path) -> None:
    for words in DOMAINS:
        reviews, meta = read(raw / f"{words.file}.json.gz"), read(raw / f"meta_{words.file}.json.gz")
        assert all(review.keys() == REVIEW_KEYS for review in reviews)
        assert all(product.keys() == META_KEYS for product in meta)
        assert {type(product["rank"]) for product in meta} == {str, list}
        assert {review["overall"] for review in reviews} == {1.0, 2.0, 3.0, 4.0, 5.0}
        assert {review["asin"] for review in reviews} <= {product["asin"] for product in meta}


def test_the_papers_shape_has_the_samples_and_products_of_its_table_ii() -> None:
    for words in PAPER_DOMAINS:
        domain = Domain(words, scale=PAPER_SCALE, seed=0)
        paper = PAPER_COUNTS[words.name]
        assert (domain.rows, domain.pool) == (paper.rows, paper.items)
    assert sum(paper.rows for paper in PAPER_COUNTS.values()) == 4_498_787
    assert sum(paper.items for paper in PAPER_COUNTS.values()) == 398_364


def test_the_papers_shape_is_as_heavy_as_published_files(paper: Path) -> None:
    rows = [read(paper / f"{words.file}.json.gz") for words in DOMAINS]
    assert [len(part) for part in rows] == [round(words.rows) for words in PAPER_DOMAINS]
    reviews = [review for part in rows for review in part]
    lengths = pl.Series([len(review["reviewText"]) for review in reviews])
    assert 180 < lengths.median() < 250  # type: ignore[operator]
    assert 380 < lengths.mean() < 500  # type: ignore[operator]
    assert 3_000 < lengths.max() < 8_200  # type: ignore[operator]
    for key, share in (("vote", 0.1), ("style", 0.5)):
        assert sum(key in review for review in reviews) == pytest.approx(share * len(reviews), rel=0.1)
        assert all(review.get(key, "") is not None for review in reviews)
    assert {type(review["vote"]) for review in reviews if "vote" in review} == {str}
    packed = (paper / "Digital_Music.json.gz").read_bytes()
    assert 2.5 < len(gzip.decompress(packed)) / len(packed) < 3.5


def test_both_shapes_follow_one_process(paper: Path, tmp_path: Path) -> None:
    data = prepare(Demo(Demo.Options(shape="paper")), paper, tmp_path / "out", source_name="demo", strict=True)
    rows = pl.concat(data.rows(split) for split in ("train", "valid", "test"))
    assert 0.78 <= roc_auc_score(rows["label"], rows["true_probability"]) <= 0.835
    assert "true_probability" not in {field.name for field in data.manifest.fields}


def test_texts_are_whole_sentences_around_their_length() -> None:
    made = texts(0, "test", np.arange(3_000), median=100.0)
    assert made.str.contains(r"^[A-Z0-9\n]").all()
    assert made.str.contains(r'[.!"]$').all()
    assert 80 < made.str.len_chars().median() < 120  # type: ignore[operator]
    assert texts(0, "other", np.arange(3_000)).equals(texts(0, "test", np.arange(3_000))) is False
    assert made.n_unique() > 2_500


def test_weight_changes_no_other_key() -> None:
    domain, rows = Domain(PAPER_DOMAINS[0], 1.0, 0), np.arange(200)
    light = reviews_frame(domain, rows)
    heavy = with_weight(domain, rows, light)
    assert set(heavy.columns) - set(light.columns) == {"vote", "style"}
    assert heavy.select(light.columns).drop("reviewText").equals(light.drop("reviewText"))


def test_times_are_whole_days_and_match_their_text(raw: Path) -> None:
    reviews = pl.DataFrame(read(raw / "Gift_Cards.json.gz"))
    seconds = reviews["unixReviewTime"]
    assert (seconds % 86_400 == 0).all()
    text = pl.from_epoch(seconds).dt.strftime("%m %-d, %Y")
    assert text.equals(reviews["reviewTime"])
    assert text.str.slice(-4).unique().sort().to_list() == [str(year) for year in range(2012, 2019)]


@pytest.mark.parametrize("split", ["all", "test"])
@pytest.mark.parametrize("domain", ROWS)
def test_oracle_auc_is_about_080(prepared: PreparedDataset, domain: str, split: str) -> None:
    splits = ["train", "valid", "test"] if split == "all" else [split]
    rows = pl.concat(prepared.rows(name, [domain]) for name in splits)  # type: ignore[arg-type]
    assert 0.78 <= roc_auc_score(rows["label"], rows["true_probability"]) <= 0.835
    assert 0.55 <= rows["label"].mean() <= 0.75  # type: ignore[operator]


def test_every_row_has_the_probability_of_its_user_and_item(prepared: PreparedDataset) -> None:
    rows = pl.concat(prepared.rows(split) for split in ("train", "valid", "test"))
    known = []
    for words in DOMAINS:
        domain = Domain(words, scale=1.0, seed=0)
        drawn = domain.reviews(np.arange(domain.rows))
        ids = {"user": reviewer_ids(0, drawn["user"]), "item": asins(domain, drawn["item"])}
        known.append(pl.DataFrame({**ids, "time": drawn["day"] * 86_400, "p": drawn["probability"]}).unique())
    joined = rows.join(pl.concat(known), on=["user", "item", "time"], how="left")
    assert joined.height == rows.height == sum(ROWS.values())
    assert joined["true_probability"].equals(joined["p"])


def test_labels_follow_the_probability() -> None:
    for words in DOMAINS:
        domain = Domain(words, scale=20.0, seed=5)
        drawn = domain.reviews(np.arange(domain.rows))
        by_probability = np.argsort(drawn["probability"])
        for rows in np.array_split(by_probability, 10):
            p, label = drawn["probability"][rows], drawn["rating"][rows] > 3
            noise = np.sqrt((p * (1 - p)).sum()) / len(rows)
            assert abs(label.mean() - p.mean()) < 4 * noise


def test_no_model_sees_the_probability(prepared: PreparedDataset) -> None:
    assert prepared.manifest.synthetic
    assert "true_probability" not in {field.name for field in prepared.manifest.fields}
    assert all("true_probability" not in prompt.template for prompt in prepared.manifest.prompts.values())


def test_rows_are_the_same_whatever_chunk_they_are_made_in() -> None:
    domain = Domain(DOMAINS[2], scale=50.0, seed=3)
    rows = np.arange(1000)
    whole = reviews_frame(domain, rows)
    parts = [reviews_frame(domain, part) for part in np.array_split(rows, 7)]
    assert whole.equals(pl.concat(parts))


def test_ids_are_unique() -> None:
    numbers = np.arange(200_000)
    assert reviewer_ids(0, numbers).n_unique() == len(numbers)
    every = pl.concat([asins(Domain(words, 1.0, 0), numbers) for words in DOMAINS])
    assert every.n_unique() == len(numbers) * len(DOMAINS)


def test_a_title_names_its_two_attributes_in_its_domains_wordings() -> None:
    for words in DOMAINS:
        domain, items = Domain(words, scale=1.0, seed=0), np.arange(300)
        drawn = domain.items(items)
        assert (drawn["attribute_1"] != drawn["attribute_2"]).all()
        for item, title in enumerate(titles(domain, items)):
            for one in ("1", "2"):
                attribute = ATTRIBUTES[drawn[f"attribute_{one}"][item]]
                assert drawn[f"wording_{one}"][item] in words.wordings
                assert attribute.wordings[drawn[f"wording_{one}"][item]] in title


def test_some_wordings_occur_only_in_domains_unseen_in_training() -> None:
    used = {words.name: set(words.wordings) for words in DOMAINS}
    trained = used["fashion"] | used["musical_instruments"] | used["gift_cards"]
    assert used["all_beauty"] - trained
    assert used["digital_music"] - trained
    every = [wording for attribute in ATTRIBUTES for wording in attribute.wordings]
    assert len(set(every)) == len(every)


def test_popularity_is_long_tailed_and_users_cross_domains(prepared: PreparedDataset) -> None:
    rows = pl.concat(prepared.rows(split) for split in ("train", "valid", "test"))
    per_item = rows.group_by("item").len()["len"]
    assert 2.5 < per_item.mean() < 3.5  # type: ignore[operator]
    assert per_item.max() > 12  # type: ignore[operator]
    per_user = rows.group_by("user").agg(pl.len(), pl.col("domain").n_unique())
    assert per_user["len"].median() <= 2  # type: ignore[operator]
    assert (per_user["domain"] > 1).mean() > 0.3  # type: ignore[operator]


def test_draws_are_uniform_and_unrelated() -> None:
    numbers = np.arange(100_000)
    one, two = uniform(0, "one", numbers), uniform(0, "two", numbers)
    assert np.histogram(one, 20, (0, 1))[0] == pytest.approx(5_000, abs=350)
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.02
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.02


def test_download_leaves_finished_files_and_redoes_unfinished_ones(tmp_path: Path) -> None:
    source = Demo(Demo.Options(scale=0.01))
    source.download(tmp_path)
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in raw_files()}
    source.download(tmp_path)
    assert before == {name: (tmp_path / name).stat().st_mtime_ns for name in raw_files()}
    whole = contents(tmp_path)
    (tmp_path / raw_files()[3]).unlink()
    source.download(tmp_path)
    assert contents(tmp_path) == whole


def test_another_version_of_the_demo_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Demo(Demo.Options(scale=0.01))
    source.download(tmp_path)
    before = (tmp_path / raw_files()[0]).stat().st_mtime_ns
    monkeypatch.setattr(Demo, "version", "another")
    source.download(tmp_path)
    assert (tmp_path / raw_files()[0]).stat().st_mtime_ns > before


def test_another_shape_is_written_anew(tmp_path: Path) -> None:
    Demo(Demo.Options(scale=0.01)).download(tmp_path)
    light = contents(tmp_path)
    Demo(Demo.Options(scale=0.01, shape="paper")).download(tmp_path)
    assert all(contents(tmp_path)[name] != data for name, data in light.items())


def test_download_does_not_touch_files_of_another_origin(tmp_path: Path) -> None:
    path = tmp_path / "Gift_Cards.json.gz"
    path.write_bytes(b"published")
    with pytest.raises(DataError, match="was not written by the demo"):
        Demo().download(tmp_path)
    assert path.read_bytes() == b"published"


@pytest.mark.parametrize(
    "options", [{"scale": 0}, {"scale": float("nan")}, {"seed": -1}, {"sclae": 2}, {"shape": "small"}]
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Demo.Options(**options)
