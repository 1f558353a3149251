"""Amazon Review Data (2018): the published review and metadata files of any categories, as they are.

Ni, Li, McAuley: Justifying recommendations using distantly-labeled reviews and fine-grained aspects
(EMNLP 2019).
The Uni-CTR paper (arXiv 2312.10743) uses five of its categories. A root folder holds, per category,
`X.json.gz` (or `X_5.json.gz`, the 5-core subset) and `meta_X.json.gz`; plain `.json` works too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict

from ctrbench.api import (
    DataError,
    DatasetSource,
    Field,
    Problems,
    Prompt,
    clean_text,
    examples,
    is_page_code,
    price_text,
    read_price,
    scan_json_lines,
    take_good,
)

PAPER_CATEGORIES = ("AMAZON_FASHION", "Musical_Instruments", "Gift_Cards", "Digital_Music", "All_Beauty")
"""The paper's five: three to train on, one to add, one never seen in training."""

META = "meta_"
_DOMAINS = {"AMAZON_FASHION": "fashion"}
_ENDINGS = (".json.gz", ".json")
_REVIEW_KEYS = ("reviewerID", "asin", "overall", "unixReviewTime")
_META_KEYS = ("asin", "title", "brand", "price")

_PROMPT_START = "{domain_title}: The user ID is user_{user_index}, who clicked {history} recently. "


class Category(NamedTuple):
    """One category's files; `meta` is None where it is missing and that is allowed."""

    domain: str
    reviews: Path
    meta: Path | None


def _split_commas(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


class Amazon2018(DatasetSource):
    """Reviews are interactions, products items, categories domains."""

    class Options(BaseModel):
        """Which files, and what to do about what they lack.

        categories: file or domain names (`Gift_Cards` or `gift_cards`); all that are found by default.
        reviews: where a category has both files, its `all` reviews (as the paper) or the `5core` ones.
        missing_meta: a category without metadata is an `error`, since the paper joins reviews and metadata;
          `allow` takes its products from its reviews, with unknown title, brand and price.
        price: `midpoint` reads `$1,299.00` and the middle of ranges, anything else is unknown;
          `mean` reads plain prices only and gives the mean of all products to the rest, as the paper's code.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")

        categories: Annotated[tuple[str, ...] | None, BeforeValidator(_split_commas)] = None
        reviews: Literal["all", "5core"] = "all"
        missing_meta: Literal["error", "allow"] = "error"
        price: Literal["midpoint", "mean"] = "midpoint"

    options: Options

    fields: ClassVar[tuple[Field, ...]] = (
        Field(name="user", kind="id", of="user"),
        Field(name="item", kind="id", of="item"),
        Field(name="title", kind="text", of="item"),
        Field(name="brand", kind="id", of="item"),
        Field(name="price", kind="number", of="item"),
        Field(name="history", kind="history", of="user"),
        Field(name="domain", kind="id", of="context"),
    )
    prompts: ClassVar[Mapping[str, Prompt]] = {
        # The string of the paper's code, which is that of its repository's Fig 2.
        "default": Prompt(
            template=_PROMPT_START + "The ID of current product is product_{item_index}, "
            "the title is '{title}', the brand is '{brand}', the price is {price_text}.",
            history_item="product '{title}'",
            history_join=" & ",
        ),
        # Eq 5 of the paper.
        "paper": Prompt(
            template=_PROMPT_START + "The ID of the current product is product_{item_index}, "
            "the title is {title}, the brand is {brand}, the price is {price_text}.",
            history_item="product ‘{title}’",
            history_join=" and ",
        ),
    }
    domain_titles: ClassVar[Mapping[str, str]] = {"fashion": "Amazon Fashion"}

    def categories(self, root: Path) -> list[Category]:
        """The categories to read, the paper's first and in its order; `DataError` says what is missing."""
        if not root.is_dir():
            raise DataError(f"{root} is not a folder: give the one with the Amazon review files as --root")
        names = self._names(root)
        chosen = [Category(domain_of(name), self._reviews(root, name), _meta(root, name)) for name in names]
        for category, name in zip(chosen, names, strict=True):
            if category.meta is None and self.options.missing_meta == "error":
                raise DataError(
                    f"{category.reviews} has no {META}{name}.json.gz beside it: download it, leave the"
                    " category out (-o categories=…), or add -o missing_meta=allow to go on without titles"
                )
        return chosen

    def _names(self, root: Path) -> list[str]:
        files = (_stem(path) for path in sorted(root.iterdir()))
        found = {name.removesuffix("_5") for name in files if name and not name.startswith(META)}
        paper = {name: place for place, name in enumerate(PAPER_CATEGORIES)}
        names = sorted(found, key=lambda name: (paper.get(name, len(paper)), name))
        if not names:
            raise DataError(f"{root} holds no review file: put X.json.gz or X_5.json.gz and meta_X.json.gz there")
        wanted = self.options.categories
        for name in wanted or ():
            if name not in found and name not in map(domain_of, found):
                known = ", ".join(names)
                raise DataError(f"{root} has no reviews of category {name!r}: it has {known}")
        return [name for name in names if wanted is None or name in wanted or domain_of(name) in wanted]

    def _reviews(self, root: Path, name: str) -> Path:
        order = (name, f"{name}_5") if self.options.reviews == "all" else (f"{name}_5", name)
        return next(path for path in (_file(root, stem) for stem in order) if path is not None)

    def inputs(self, root: Path) -> list[Path]:
        """Per category its reviews, then its metadata."""
        return [path for c in self.categories(root) for path in (c.reviews, c.meta) if path is not None]

    def interactions(self, root: Path, problems: Problems) -> pl.LazyFrame:
        """Readable reviews; those that are not are left out and counted by reason."""
        return pl.concat([read_reviews(c, problems) for c in self.categories(root)]).lazy()

    def items(self, root: Path, problems: Problems) -> pl.LazyFrame:
        """Products with cleaned `title`, `brand`, `price` (dollars) and `price_text` (`9.99$`).

        Those of categories without metadata come last, as the first description of a product stands.
        """
        described_first = sorted(self.categories(root), key=lambda category: category.meta is None)
        items = pl.concat([self._products(category, problems) for category in described_first])
        if self.options.price == "mean":
            items = items.with_columns(pl.col("price").fill_null(pl.col("price").mean()))
        return items.with_columns(price_text(pl.col("price")).alias("price_text")).lazy()

    def _products(self, category: Category, problems: Problems) -> pl.DataFrame:
        if category.meta is None:
            return _products_of_reviews(category, problems)
        raw = read_meta(category.meta, category.domain, problems)
        rule: Literal["midpoint", "plain"] = "midpoint" if self.options.price == "midpoint" else "plain"
        price = raw.select(read_price(pl.col("price"), rule)).to_series()
        for column, reason, at in (
            ("title", "title holds page code: unknown", is_page_code(pl.col("title"))),
            ("price", "price is not readable: unknown", (pl.col("price") != "") & price.is_null()),
        ):
            dirty = raw.filter(at)
            told = examples(dirty, pl.col(column))
            problems.add(reason, dirty.height, domain=category.domain, examples=told, error=False, table="items")
        return raw.with_columns(clean_text(raw["title"]), clean_text(raw["brand"]), price)


def read_reviews(category: Category, problems: Problems) -> pl.DataFrame:
    """Rows `domain, user, item, time, rating` of one review file."""
    rows = scan_json_lines(category.reviews, _REVIEW_KEYS).select(
        pl.lit(category.domain).alias("domain"),
        pl.col("reviewerID").str.strip_chars().alias("user"),
        pl.col("asin").str.strip_chars().alias("item"),
        pl.col("unixReviewTime").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False).alias("time"),
        pl.col("overall").cast(pl.Float64, strict=False).alias("rating"),
        "_file",
        "_line",
        "_text",
    )
    checks = {
        "row without reviewerID": pl.col("user").is_null() | (pl.col("user") == ""),
        "row without asin": pl.col("item").is_null() | (pl.col("item") == ""),
        "rating is not a number from 1 to 5": ~pl.col("rating").is_between(1, 5),
        "unixReviewTime is not a number of seconds": pl.col("time").is_null(),
    }
    return take_good(category.reviews, rows, checks, problems, json=True)


def read_meta(path: Path, domain: str, problems: Problems) -> pl.DataFrame:
    """Rows `item, title, brand, price` of one metadata file, as they stand there."""
    rows = scan_json_lines(path, _META_KEYS).with_columns(pl.col("asin").str.strip_chars())
    checks = {"product without asin": pl.col("asin").is_null() | (pl.col("asin") == "")}
    products = take_good(path, rows, checks, problems, domain=domain, table="items", json=True)
    return products.rename({"asin": "item"})


def _products_of_reviews(category: Category, problems: Problems) -> pl.DataFrame:
    reviews = read_reviews(category, Problems())  # its bad rows are reported where interactions are read
    products = reviews.select("_file", "_line", "item").unique("item", keep="first", maintain_order=True)
    problems.add(
        f"product without metadata ({category.reviews.name} has no {META} file): title, brand, price unknown",
        products.height,
        domain=category.domain,
        examples=examples(products, pl.col("item")),
        error=False,
        table="items",
    )
    missing = {"title": pl.String, "brand": pl.String, "price": pl.Float64}
    return products.with_columns(pl.lit(None, dtype=kind).alias(name) for name, kind in missing.items())


def domain_of(category: str) -> str:
    """A category's domain: `AMAZON_FASHION` is `fashion`, any other its name in lower case."""
    return _DOMAINS.get(category, category.lower())


def _stem(path: Path) -> str | None:
    return next((path.name.removesuffix(end) for end in _ENDINGS if path.name.endswith(end)), None)


def _file(root: Path, stem: str) -> Path | None:
    return next((path for end in _ENDINGS if (path := root / (stem + end)).is_file()), None)


def _meta(root: Path, name: str) -> Path | None:
    return _file(root, META + name)
