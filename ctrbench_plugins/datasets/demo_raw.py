"""Writes the demo's process as raw files in the format of Amazon Review Data (2018), chunk by chunk."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import polars as pl

from ctrbench_plugins.datasets.demo_ids import asins, reviewer_ids
from ctrbench_plugins.datasets.demo_process import Domain, Ints, choice, normal, uniform
from ctrbench_plugins.datasets.demo_text import texts
from ctrbench_plugins.datasets.demo_words import ATTRIBUTES, DOMAINS, PAPER_DOMAINS, REVIEWERS, SUMMARIES

CHUNK = 50_000
"""Rows made at a time; it changes no byte of what is written."""
Shape = Literal["demo", "paper"]

_SECONDS = 86_400


def raw_files() -> list[str]:
    """The names of all files that `write_raw` writes."""
    return [f"{name}.json.gz" for words in DOMAINS for name in (words.file, f"meta_{words.file}")]


def write_raw(root: Path, scale: float, seed: int, shape: Shape = "demo", chunk: int = CHUNK) -> None:
    """Write each domain's reviews and metadata."""
    for words in DOMAINS if shape == "demo" else PAPER_DOMAINS:
        domain = Domain(words, scale, seed)
        with _gzip_file(root / f"{words.file}.json.gz") as reviews:
            for rows in _chunks(domain.rows, chunk):
                made = reviews_frame(domain, rows)
                reviews.write(_lines(made if shape == "demo" else with_weight(domain, rows, made)))
        with _gzip_file(root / f"meta_{words.file}.json.gz") as meta:
            for items in _chunks(domain.pool, chunk):
                meta.write(meta_lines(domain, items, shape))


def reviews_frame(domain: Domain, rows: Ints) -> pl.DataFrame:
    """Reviews with Amazon's keys, and their `true_probability`."""
    drawn = domain.reviews(rows)
    summary = drawn["rating"] * 3 - 3 + choice(domain.seed, f"{domain.words.name}/summary", rows, 3)
    noun = domain.items(drawn["item"])["noun"]
    days = 2 + choice(domain.seed, f"{domain.words.name}/delivery", rows, 8)
    when = pl.Series(drawn["day"]).cast(pl.Int32).cast(pl.Date)
    headings = _pick(tuple(text for texts in SUMMARIES for text in texts), summary)
    return pl.DataFrame(
        {
            "overall": drawn["rating"].astype(np.float64),
            "verified": uniform(domain.seed, f"{domain.words.name}/verified", rows) < 0.9,
            "reviewTime": when.dt.strftime("%m %-d, %Y"),
            "reviewerID": reviewer_ids(domain.seed, drawn["user"]),
            "asin": asins(domain, drawn["item"]),
            "reviewerName": _pick(REVIEWERS, choice(domain.seed, "name", drawn["user"], len(REVIEWERS))),
            "noun": _pick(domain.words.nouns, noun).str.to_lowercase(),
            "days": days,
            "summary": headings,
            "unixReviewTime": drawn["day"] * _SECONDS,
            "true_probability": drawn["probability"],
        }
    ).select(
        *("overall", "verified", "reviewTime", "reviewerID", "asin", "reviewerName"),
        pl.format("The {} came in {} days. {}", "noun", "days", "summary").alias("reviewText"),
        *("summary", "unixReviewTime", "true_probability"),
    )


def with_weight(domain: Domain, rows: Ints, reviews: pl.DataFrame) -> pl.DataFrame:
    """Reviews as heavy as published ones: long texts, and `vote` and `style` where a review has them, or null."""
    seed, name = domain.seed, domain.words.name
    votes = 2 + np.floor(np.exp(1.5 * normal(seed, f"{name}/votes", rows))).astype(np.int64)
    notes = _pick(domain.words.notes, choice(seed, f"{name}/style", rows, len(domain.words.notes)))
    has_votes = pl.Series(uniform(seed, f"{name}/has votes", rows) < 0.1)
    has_style = pl.Series(uniform(seed, f"{name}/has style", rows) < 0.5)
    return reviews.with_columns(
        texts(seed, f"{name}/review", rows).alias("reviewText"),
        pl.when(has_votes).then(pl.Series(votes).cast(pl.String)).alias("vote"),
        pl.when(has_style).then(pl.struct((" " + notes).alias("Style:"))).alias("style"),
    )


def _lines(frame: pl.DataFrame) -> bytes:
    """JSON lines, each without the keys that it has no value for."""
    lines = frame.write_ndjson()
    for key in (name for name, column in frame.to_dict().items() if column.has_nulls()):
        lines = lines.replace(f',"{key}":null', "")
    return lines.encode()


def meta_lines(domain: Domain, items: Ints, shape: Shape = "demo") -> bytes:
    """JSON lines with Amazon's keys; as there, `rank` is a text for some products and a list for others."""
    frame = _products(domain, items)
    if shape == "paper":
        long = (texts(domain.seed, f"{domain.words.name}/{part}", items) for part in ("description", "feature"))
        frame = frame.with_columns(
            pl.concat_list(text).alias(key) for key, text in zip(("description", "feature"), long, strict=True)
        )
    keys = pl.exclude("rank", "rank_is_list")
    as_text = pl.struct(keys, pl.format("{} (", "rank").alias("rank")).struct.json_encode()
    as_list = pl.struct(keys, pl.concat_list(pl.format(">#{} (", "rank")).alias("rank")).struct.json_encode()
    lines = frame.select(pl.when("rank_is_list").then(as_list).otherwise(as_text)).to_series()
    return ("\n".join(lines) + "\n").encode()


def _products(domain: Domain, items: Ints) -> pl.DataFrame:
    words, seed = domain.words, domain.seed
    also = asins(domain, choice(seed, f"{words.name}/also_buy", items, domain.pool))
    places = pl.Series(1_000 + choice(seed, f"{words.name}/rank", items, 900_000))
    columns = {
        "title": titles(domain, items),
        "brand": _pick(words.brands, domain.items(items)["brand"]),
        "price": prices(domain, items),
        "also_buy": also,
        "asin": asins(domain, items),
        "place": places,
        "rank_is_list": uniform(seed, f"{words.name}/rank is list", items) < 0.5,
    }
    nothing = pl.lit([], dtype=pl.List(pl.String))
    return pl.DataFrame(columns).select(
        pl.lit([words.title]).alias("category"),
        pl.concat_list(pl.format("{} by {}.", "title", "brand")).alias("description"),
        "title",
        pl.concat_list("also_buy"),
        nothing.alias("also_view"),
        nothing.alias("feature"),
        nothing.alias("image"),
        "brand",
        "price",
        pl.lit(words.title).alias("main_cat"),
        pl.lit("").alias("date"),
        "asin",
        "rank_is_list",
        pl.format("{} in {}", "place", pl.lit(words.title)).alias("rank"),
    )


def prices(domain: Domain, items: Ints) -> pl.Series:
    """`$12.99`; for one product in twenty a range, for one in ten nothing. They mean nothing."""
    words, seed = domain.words, domain.seed
    dollars = np.floor(words.price * np.exp(0.6 * normal(seed, f"{words.name}/price", items)))
    kind = uniform(seed, f"{words.name}/price kind", items)
    frame = pl.DataFrame({"low": dollars.astype(np.int64), "kind": kind})
    return frame.select(
        pl.when(pl.col("kind") < 0.10)
        .then(pl.lit(""))
        .when(pl.col("kind") < 0.15)
        .then(pl.format("${}.99 - ${}.99", "low", pl.col("low") + 5))
        .otherwise(pl.format("${}.99", "low"))
    ).to_series()


def titles(domain: Domain, items: Ints) -> pl.Series:
    """Product names: two attributes in this domain's wordings, a noun, and sometimes a note."""
    item, words = domain.items(items), domain.words
    wordings = tuple(wording for attribute in ATTRIBUTES for wording in attribute.wordings)
    frame = pl.DataFrame(
        {
            "one": _pick(wordings, item["attribute_1"] * 6 + item["wording_1"]),
            "two": _pick(wordings, item["attribute_2"] * 6 + item["wording_2"]),
            "noun": _pick(words.nouns, item["noun"]),
            "note": _pick(words.notes, item["note"]),
            "pattern": item["pattern"],
        }
    )
    pattern = pl.col("pattern")
    return frame.select(
        pl.when(pattern == 0)
        .then(pl.format("{} {} {}", "one", "two", "noun"))
        .when(pattern == 1)
        .then(pl.format("{} {}, {}, {}", "one", "noun", "two", "note"))
        .when(pattern == 2)
        .then(pl.format("{} {} {}, {}", "one", "two", "noun", "note"))
        .otherwise(pl.format("{} {} - {}", "one", "noun", "two"))
        .alias("title")
    ).to_series()


def _pick(texts: tuple[str, ...], numbers: Ints) -> pl.Series:
    return pl.Series(texts).gather(numbers)


def _chunks(total: int, size: int) -> Iterator[Ints]:
    for start in range(0, total, size):
        yield np.arange(start, min(start + size, total), dtype=np.int64)


@contextmanager
def _gzip_file(path: Path) -> Iterator[BinaryIO]:
    """A gzip file that appears when it is whole; its bytes depend on what is written only."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as packed:
        yield packed  # type: ignore[misc]
    part.rename(path)
