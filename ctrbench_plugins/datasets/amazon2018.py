"""Amazon Review Data (2018): the published review and metadata files of any categories, as they are.

Ni, Li, McAuley: Justifying recommendations using distantly-labeled reviews and fine-grained aspects
(EMNLP 2019).
The Uni-CTR paper (arXiv 2312.10743) uses five of its categories. A root folder holds, per category,
`X.json.gz` (or `X_5.json.gz`, the 5-core subset) and `meta_X.json.gz`; plain `.json` and `.json.zst` work too.
Files of the 2023 release (`X.jsonl.gz`, `meta_X.jsonl.gz`) are known by their keys and read alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict

from ctrbench.api import (
    DatasetSource,
    Field,
    Problems,
    Prompt,
    RemoteFile,
    StandIn,
    clean_text,
    examples,
    is_range,
    price_text,
    read_price,
    states_price,
    was_page_code,
    was_rewritten,
)
from ctrbench_plugins.datasets.amazon_files import META, Category, domain_of, find_categories
from ctrbench_plugins.datasets.amazon_published import PAPER_COUNTS, RELEASE_2018, TERMS, remote_files
from ctrbench_plugins.datasets.amazon_read import products_of_reviews, read_meta, read_reviews

_PROMPT_START = "{domain_title}: The user ID is user_{user_index}, who clicked {history} recently. "


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
        price: `midpoint` reads `$1,299.00`, the middle of ranges and `from $3` as 3, anything else is unknown;
          `mean` reads plain prices only and gives the mean of all products to the rest, as the paper's code.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")

        categories: Annotated[tuple[str, ...] | None, BeforeValidator(_split_commas)] = None
        reviews: Literal["all", "5core"] = "all"
        missing_meta: Literal["error", "allow"] = "error"
        price: Literal["midpoint", "mean"] = "midpoint"

    options: Options

    api_version = 1
    version: ClassVar[str] = "2"
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
    stand_in: ClassVar[StandIn | None] = StandIn(
        "demo", {"shape": "paper", "scale": 4.0}, PAPER_COUNTS, "Table II of the Uni-CTR paper"
    )
    domains_option: ClassVar[str | None] = "categories"
    terms: ClassVar[str] = TERMS
    citation: ClassVar[str] = (
        "Ni, Li, McAuley: Justifying Recommendations using Distantly-Labeled Reviews and Fine-Grained Aspects,"
        " EMNLP 2019"
    )
    review_columns: ClassVar[Mapping[str, pl.DataType]] = {}
    """Further keys of a review that become columns of the interactions, each with its type."""

    def remote_files(self) -> tuple[RemoteFile, ...]:
        """Reviews and products of each category, the paper's five unless told otherwise."""
        options = self.options
        return remote_files(RELEASE_2018, options.categories, core=options.reviews == "5core", domain_of=domain_of)

    def __init__(self, options: BaseModel | None = None) -> None:
        super().__init__(options)
        self._found: dict[Path, list[Category]] = {}

    def categories(self, root: Path) -> list[Category]:
        """The categories to read, the paper's first and in its order; `DataError` says what is missing.

        Files are looked at once, and again when `inputs` is asked for.
        """
        if root not in self._found:
            options = self.options
            self._found[root] = find_categories(root, options.categories, options.reviews, options.missing_meta)
        return self._found[root]

    def inputs(self, root: Path) -> list[Path]:
        """Per category its reviews, then its metadata."""
        self._found.pop(root, None)
        return [path for c in self.categories(root) for path in (c.reviews, c.meta) if path is not None]

    def interactions(self, root: Path, problems: Problems) -> pl.LazyFrame:
        """Readable reviews; those that are not are left out and counted by reason."""
        read = [read_reviews(c, problems, self.review_columns) for c in self.categories(root)]
        return pl.concat(read).lazy()

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
            products, name = products_of_reviews(category), category.reviews.name
            reason = f"product without metadata ({name} has no {META} file): title, brand, price unknown"
            _note(problems, category, reason, products, pl.col("item"))
            return products
        raw = read_meta(category, problems)
        rule: Literal["midpoint", "plain"] = "midpoint" if self.options.price == "midpoint" else "plain"
        clean = raw.with_columns(clean_text(raw["title"]), clean_text(raw["brand"]), read_price(pl.col("price"), rule))
        for column in ("title", "brand"):
            code = raw.filter(was_page_code(raw[column], clean[column]))
            _note(problems, category, f"{column} holds page code: unknown", code, pl.col(column))
            rewritten = raw.filter(was_rewritten(raw[column], clean[column]))
            reason = f"{column} holds HTML, or is a list: taken as plain text, the first of the list"
            _note(problems, category, reason, rewritten, pl.col(column))
        price, unread = pl.col("price"), clean["price"].is_null()
        _note(problems, category, "price is not readable: unknown", raw.filter(unread & states_price(price)), price)
        ranges = raw.filter(~unread & is_range(price))
        _note(problems, category, "price is a range: its middle is taken", ranges, price)
        lowest = raw.filter(~unread & price.str.contains("(?i)from"))
        _note(problems, category, "price is the lowest of several ('from'): taken as the price", lowest, price)
        return clean


def _note(problems: Problems, category: Category, reason: str, products: pl.DataFrame, shown: pl.Expr) -> None:
    told = examples(products, shown)
    problems.add(reason, products.height, domain=category.domain, examples=told, error=False, table="items")
