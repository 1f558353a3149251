"""A small prepared dataset and small batches, for tests of features, models, training and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from ctrbench import registry
from ctrbench.data.source import Field, Prompt
from ctrbench.data.store import FORMAT, Manifest, PreparedDataset, write_dataset
from ctrbench.features.batch import Batch
from ctrbench.features.loader import Rows
from ctrbench.models.contract import CTRModel

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
TINY: dict[str, dict[str, Any]] = {
    "autoint": {"embedding_dim": 8, "hidden": (16,)},
    "dcn": {"embedding_dim": 8, "hidden": (16,)},
    "deepfm": {"embedding_dim": 8, "hidden": (16,)},
    "dffm": {"embedding_dim": 8},
    "dien": {"embedding_dim": 8, "hidden": (16,)},
    "fibinet": {"embedding_dim": 8, "hidden": (16,)},
    "inttower": {"embedding_dim": 8},
    "mmoe": {"embedding_dim": 8, "expert_hidden": (16,), "tower_hidden": (8,)},
    "ple": {"embedding_dim": 8, "expert_hidden": (16,), "tower_hidden": (8,)},
    "pnn": {"embedding_dim": 8, "hidden": (16,)},
    "sar_net": {"embedding_dim": 8},
    "shared_bottom": {"embedding_dim": 8, "bottom_hidden": (16,), "tower_hidden": (8,)},
    "star": {"embedding_dim": 8},
    "xdeepfm": {"embedding_dim": 8, "hidden": (16,)},
    "uni_ctr": {"backbone": "tiny-bert", "tower": (16, 8), "max_length": 96},
}


def toy_items(count: int = 40) -> pl.DataFrame:
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
    folder.mkdir(parents=True)
    sizes = {"train": train, "valid": other, "test": other}
    firsts = {"train": 0, "valid": train, "test": train + other}
    splits = {s: toy_rows(n, firsts[s], seed=k).sort("domain", "row_id") for k, (s, n) in enumerate(sizes.items())}
    write_dataset(folder, toy_items(), splits, toy_manifest(**changes))
    return PreparedDataset.open(folder)


def build(name: str, domains: tuple[str, ...] = DOMAINS, seed: int = 0, **config: Any) -> tuple[CTRModel, Any]:
    """A small model and its fitted featurizer."""
    kind = registry.load("models", name)
    settings = kind.Config(**{**TINY.get(name, {}), **config})
    featurizer = kind.featurizer(settings).fit(toy_rows(300), toy_items(), toy_manifest())
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return kind(settings, featurizer.info, domains), featurizer


def view(featurizer: Any, rows: pl.DataFrame) -> Rows:
    return Rows.build(rows, toy_items(), featurizer, DOMAINS)


def toy_batch(featurizer: Any, count: int = 12, seed: int = 7) -> Batch:
    return view(featurizer, toy_rows(count, first=10_000, seed=seed)).batch(torch.arange(count))
