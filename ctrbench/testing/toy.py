"""A small prepared dataset in memory: three domains, ids, a number, text and histories. Labels depend on the item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from ctrbench.data.source import Field, Prompt
from ctrbench.data.store import FORMAT, Manifest, PreparedDataset, Step
from ctrbench.data.writing import write_dataset
from ctrbench.features.batch import Batch
from ctrbench.features.featurizer import Featurizer
from ctrbench.features.loader import Rows

DOMAINS = ("books", "games", "tools")
FIELDS = [
    Field(name="domain", kind="id"),
    Field(name="user", kind="id", of="user"),
    Field(name="item", kind="id", of="item"),
    Field(name="title", kind="text", of="item"),
    Field(name="brand", kind="id", of="item"),
    Field(name="price", kind="number", of="item"),
    Field(name="history", kind="history", of="user"),
]
PROMPT = Prompt(
    template="{domain_title}: user_{user_index} clicked {history}. Now '{title}' by {brand} at {price}.",
    history_item="'{title}'",
    history_join=" & ",
)


def toy_items(count: int = 40) -> pl.DataFrame:
    """Items with a title, and with a brand and a price that some lack."""
    return pl.DataFrame(
        {
            "item": [f"i{k}" for k in range(count)],
            "item_index": list(range(count)),
            "title": [f"thing {k % 7}" for k in range(count)],
            "brand": [f"b{k % 5}" if k % 6 else None for k in range(count)],
            "price": [float(k) if k % 3 else None for k in range(count)],
        },
        schema_overrides={"item_index": pl.Int64},
    )


def toy_rows(count: int, first: int = 0, seed: int = 0, items: int = 40) -> pl.DataFrame:
    """`count` rows whose label depends on the item; row ids and times start at `first`."""
    random = np.random.default_rng(seed)
    item, user = random.integers(0, items, count), random.integers(0, 25, count)
    chance = 1 / (1 + np.exp(-2.0 * (item % 5 - 2.0)))
    history = [[f"i{k}" for k in random.integers(0, items, random.integers(0, 4))] for _ in range(count)]
    columns = {
        "row_id": np.arange(first, first + count),
        "domain": [DOMAINS[k] for k in random.integers(0, 3, count)],
        "user": [f"u{k}" for k in user],
        "user_index": user.astype(np.int64),
        "item": [f"i{k}" for k in item],
        "item_index": item.astype(np.int64),
        "time": np.arange(first, first + count),
        "label": (random.random(count) < chance).astype(np.int8),
        "history": history,
        "true_probability": chance,
    }
    return pl.DataFrame(columns, schema_overrides={"history": pl.List(pl.String)})


def toy_manifest(**changes: Any) -> Manifest:
    """The manifest of the rows above; `changes` replace its facts, e.g. `fields`."""
    facts: dict[str, Any] = {
        "format": FORMAT,
        "source": "toy",
        "source_options": {},
        "options": {},
        "synthetic": True,
        "domains": {domain: domain.title() for domain in DOMAINS},
        "fields": FIELDS,
        "prompts": {"default": PROMPT},
        "inputs": [],
        "steps": [],
        "problems": [],
        "fingerprint": "f" * 64,
        "ctrbench_version": "0",
    }
    return Manifest(**{**facts, **changes})


def write_toy(folder: Path, train: int = 300, other: int = 90, **changes: Any) -> PreparedDataset:
    """The dataset on disk, in a folder that does not exist yet."""
    folder.mkdir(parents=True)
    sizes = {"train": train, "valid": other, "test": other}
    firsts = {"train": 0, "valid": train, "test": train + other}
    splits = {s: toy_rows(n, firsts[s], seed=k).sort("domain", "row_id") for k, (s, n) in enumerate(sizes.items())}
    steps = [Step(name=split, rows=dict(rows.group_by("domain").len().iter_rows())) for split, rows in splits.items()]
    write_dataset(folder, toy_items(), splits, toy_manifest(**{"steps": steps, **changes}))
    return PreparedDataset.open(folder)


def without_histories(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows, of users who have clicked nothing yet."""
    return rows.with_columns(history=pl.lit([], dtype=pl.List(pl.String)))


def of_strangers(rows: pl.DataFrame, items: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same rows and items, but every user, item, title and brand is one that train does not hold."""
    strange_rows = rows.with_columns(pl.format("new {}", name).alias(name) for name in ("user", "item")).with_columns(
        pl.col("user_index", "item_index") + 1_000_000,
        pl.col("history").list.eval(pl.format("new {}", pl.element())),
    )
    names = (pl.format("new {}", name).alias(name) for name in ("item", "title", "brand"))
    return strange_rows, items.with_columns(*names, pl.col("item_index") + 1_000_000)


def toy_view(featurizer: Featurizer, rows: pl.DataFrame) -> Rows:
    """`rows` as a model with this featurizer sees them."""
    return Rows.build(rows, toy_items(), featurizer, DOMAINS)


def toy_batch(featurizer: Featurizer, count: int = 12, seed: int = 7) -> Batch:
    """A batch of rows that train does not hold."""
    return toy_view(featurizer, toy_rows(count, first=10_000, seed=seed)).batch(torch.arange(count))
