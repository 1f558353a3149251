"""Writes the demo's process as raw files in the format of Amazon Review Data (2018), chunk by chunk."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench_plugins.datasets.demo_process import Domain, Ints, choice, draw, normal, uniform
from ctrbench_plugins.datasets.demo_words import ATTRIBUTES, DOMAINS, REVIEWERS, SUMMARIES

CHUNK = 50_000
"""Rows made at a time; it changes no byte of what is written."""
SIDE_FILE = "true_probability.csv.gz"
SIDE_COLUMNS = ("reviewerID", "asin", "unixReviewTime", "true_probability")

_DIGITS = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype=np.uint8)
_SECONDS = 86_400


def raw_files() -> list[str]:
    """The names of all files that `write_raw` writes."""
    names = (name for words in DOMAINS for name in (words.file, f"meta_{words.file}"))
    return [*(f"{name}.json.gz" for name in names), SIDE_FILE]


def write_raw(root: Path, scale: float, seed: int, chunk: int = CHUNK) -> None:
    """Write each domain's reviews and metadata, and the side file with every review's true probability."""
    with _gzip_file(root / SIDE_FILE) as side:
        side.write((",".join(SIDE_COLUMNS) + "\n").encode())
        for words in DOMAINS:
            domain = Domain(words, scale, seed)
            with ExitStack() as stack:
                reviews, meta = (
                    stack.enter_context(_gzip_file(root / f"{name}.json.gz"))
                    for name in (words.file, f"meta_{words.file}")
                )
                for rows in _chunks(domain.rows, chunk):
                    made = reviews_frame(domain, rows)
                    reviews.write(made.drop("true_probability").write_ndjson().encode())
                    line = made.select(SIDE_COLUMNS)
                    side.write(line.write_csv(include_header=False, float_precision=6).encode())
                for items in _chunks(domain.pool, chunk):
                    meta.write(meta_lines(domain, items))


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


def meta_lines(domain: Domain, items: Ints) -> bytes:
    """JSON lines with Amazon's keys; as there, `rank` is a text for some products and a list for others."""
    frame = _products(domain, items)
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


def reviewer_ids(seed: int, users: Ints) -> pl.Series:
    """One id per user: distinct users have distinct 64 bits."""
    return _base36("A", draw(seed, "reviewerID", users), 13)


def asins(domain: Domain, items: Ints) -> pl.Series:
    """One id per item and domain: an odd step through the 46-bit numbers, which meets none twice."""
    numbers = (items + (DOMAINS.index(domain.words) << 40)).astype(np.uint64)
    start = draw(domain.seed, "asin", np.zeros(1, dtype=np.int64))
    return _base36("B", (numbers * np.uint64(0x9E3779B97F4A7C15) + start) % np.uint64(2**46), 9)


def _base36(prefix: str, numbers: npt.NDArray[np.uint64], width: int) -> pl.Series:
    text = np.full((len(numbers), width + 1), ord(prefix), dtype=np.uint8)
    for place in range(width, 0, -1):
        numbers, digit = np.divmod(numbers, np.uint64(36))
        text[:, place] = _DIGITS[digit]
    return pl.Series(text.view(f"S{width + 1}").ravel()).cast(pl.String)


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
