"""The dataset `acme_toy`: made-up clicks in three shops, with the probability behind each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field as Limit

from ctrbench.api import DataError, DatasetSource, Field, Problems, Prompt

SHOPS = ("anvils", "magnets", "rockets")
STYLES = ("Portable", "Giant", "Jet-Powered", "Invisible", "Discount", "Do-It-Yourself", "Instant", "Fireproof")
PRODUCTS = 60  # per shop
START, STEP = 1_600_000_000, 600  # a click every ten minutes from September 2020 on, in seconds since 1970


class AcmeToy(DatasetSource):
    """Clicks with probability p: logit p = effect[shop, style] + liking[customer, style]; no model is shown p.

    A source only reads files. Labels, histories and splits are made by ctrbench, in the same way for every source.
    """

    api_version = 1
    version = "1"  # raise it when the same options give other data

    class Options(BaseModel):
        """How many clicks (`rows`), and which draw of them (`seed`)."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        rows: int = Limit(3000, ge=300, le=1_000_000)
        seed: int = Limit(0, ge=0)

    options: Options

    fields: ClassVar[tuple[Field, ...]] = (
        Field(name="domain", kind="id"),
        Field(name="user", kind="id", of="user"),
        Field(name="item", kind="id", of="item"),
        Field(name="title", kind="text", of="item"),
        Field(name="price", kind="number", of="item"),
        Field(name="history", kind="history", of="user"),  # ctrbench makes it: the last items that the user clicked
    )
    prompts: ClassVar[Mapping[str, Prompt]] = {
        "default": Prompt(template="{domain_title}: after {history}, would they want '{title}' for {price}?")
    }
    synthetic = True  # every table says so
    automatic = True  # `download` needs nothing from the user, so that a table prepares the dataset by itself

    def domains(self) -> tuple[str, ...]:
        """The shops, in the order in which tables show them."""
        return SHOPS

    def download(self, root: Path) -> None:
        """Make the files, where they are not there yet."""
        files = self._files(root)
        if not all(file.is_file() for file in files):
            root.mkdir(parents=True, exist_ok=True)
            for table, file in zip(_draw(self.options.rows, self.options.seed), files, strict=True):
                _write(table, file)

    def inputs(self, root: Path) -> list[Path]:
        """The files that are read."""
        for path in self._files(root):
            if not path.is_file():
                raise DataError(f"there is no {path}: `ctrbench data download acme_toy --root {root}` makes it")
        return self._files(root)

    def interactions(self, root: Path, problems: Problems) -> pl.LazyFrame:
        """`domain, user, item, time, label`, and `true_probability`, which tells tables what can be reached."""
        clicks, _ = self._files(root)
        return pl.scan_csv(clicks).rename({"shop": "domain", "customer": "user", "product": "item", "clicked": "label"})

    def items(self, root: Path, problems: Problems) -> pl.LazyFrame:
        """`item`, `title` and `price`."""
        _, products = self._files(root)
        return pl.scan_csv(products).rename({"product": "item"})

    def _files(self, root: Path) -> list[Path]:
        """Clicks and products; their names tell the options, so that others make other files."""
        draw = f"{self.options.rows}-{self.options.seed}.csv"
        return [root / f"clicks-{draw}", root / f"products-{draw}"]


def _draw(rows: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Clicks and products; `*_of` are arrays with an entry for each product."""
    random, customers = np.random.default_rng(seed), rows // 10
    shop_of = np.repeat(np.arange(len(SHOPS)), PRODUCTS)
    style_of = random.integers(len(STYLES), size=shop_of.size)
    effect = random.normal(0, 1.2, size=(len(SHOPS), len(STYLES)))
    liking = random.normal(0, 0.6, size=(customers, len(STYLES)))
    product, customer = random.integers(shop_of.size, size=rows), random.integers(customers, size=rows)
    chance = 1 / (1 + np.exp(-effect[shop_of, style_of][product] - liking[customer, style_of[product]]))
    clicks = {
        "shop": np.array(SHOPS)[shop_of[product]],
        "customer": customer,
        "product": product,
        "time": START + STEP * np.arange(rows),
        "clicked": (random.random(rows) < chance).astype(int),
        "true_probability": chance,
    }
    products = {
        "product": np.arange(shop_of.size),
        "title": np.array(STYLES)[style_of],
        "price": random.uniform(1, 100, size=shop_of.size).round(2),
    }
    customer_id, product_id = pl.format("c{}", "customer"), pl.format("p{}", "product")
    return (
        pl.DataFrame(clicks).with_columns(customer_id.alias("customer"), product_id.alias("product")),
        pl.DataFrame(products).with_columns(product_id.alias("product")),
    )


def _write(table: pl.DataFrame, file: Path) -> None:
    """Under another name at first, so that what has the right one is whole."""
    part = file.with_suffix(".part")
    table.write_csv(part)
    part.replace(file)
