"""A prepared dataset of any number of rows, written chunk by chunk: random ids, labels that follow from them.

It is written as `prepare` would leave it, not prepared, so that its size is bounded by the disk alone. Every user and
item that a domain is said to have stands in at least one of its rows, where there are rows enough.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from ctrbench.api import Field, Prompt
from ctrbench.data.split import SPLITS, Split
from ctrbench.data.store import MANIFEST, Manifest, PreparedDataset, Step

FIELDS = [
    Field(name="domain", kind="id"),
    Field(name="user", kind="id", of="user"),
    Field(name="item", kind="id", of="item"),
    Field(name="title", kind="text", of="item"),
    Field(name="brand", kind="id", of="item"),
    Field(name="price", kind="number", of="item"),
    Field(name="history", kind="history", of="user"),
]
ENDS = {"train": (0.0, 0.8), "valid": (0.8, 0.9), "test": (0.9, 1.0)}
HISTORY = 5  # items at most; as many rows have none, one, ...
CHUNK = 2**18
STRIDE = 1_000_003  # a prime: neighbours in time are no neighbours among users or items


class Domain(NamedTuple):
    """How much of a domain there is."""

    name: str
    users: int
    items: int
    rows: int


PAPER = (
    Domain("fashion", 749_233, 186_189, 883_636),
    Domain("musical_instruments", 903_060, 112_132, 1_512_530),
    Domain("gift_cards", 128_873, 1_547, 147_194),
)
"""D3 of the paper's Table II."""


def alike(rows: int, users: int = 200_000, items: int = 50_000) -> list[Domain]:
    """Three domains of a half, three tenths and a fifth of so many rows, whatever their number of the same ids."""
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}
    return [Domain(name, int(users * s), int(items * s), int(rows * s)) for name, s in shares.items()]


def write_large(folder: Path, domains: Sequence[Domain]) -> PreparedDataset:
    """The dataset in a new folder; one chunk is in memory at a time."""
    folder.mkdir(parents=True)
    _items(domains).write_parquet(folder / "items.parquet")
    steps = []
    for split in SPLITS:
        _rows(domains, split).sink_parquet(folder / f"{split}.parquet", compression_level=1)
        steps.append(Step(name=split, rows={d.name: end - start for d, (start, end) in _places(domains, split)}))
    (folder / MANIFEST).write_text(_manifest(domains, steps).model_dump_json())
    return PreparedDataset.open(folder)


def _manifest(domains: Sequence[Domain], steps: list[Step]) -> Manifest:
    about: dict[str, Any] = {"source_options": {}, "options": {}, "inputs": [], "problems": [], "ctrbench_version": "0"}
    return Manifest(
        source="large",
        synthetic=True,
        domains={domain.name: domain.name.title() for domain in domains},
        fields=FIELDS,
        prompts={"default": Prompt(template="{title}")},
        steps=steps,
        fingerprint=hashlib.sha256(json.dumps(domains).encode()).hexdigest(),
        **about,
    )


def _places(domains: Sequence[Domain], split: Split) -> list[tuple[Domain, tuple[int, int]]]:
    """The rows of a split, in each domain the earliest, the next, or the latest ones."""
    low, high = ENDS[split]
    return [(domain, (int(domain.rows * low), int(domain.rows * high))) for domain in domains]


def _items(domains: Sequence[Domain]) -> pl.DataFrame:
    number = pl.int_range(sum(domain.items for domain in domains), dtype=pl.Int64, eager=True)
    return pl.DataFrame({"item": _item(number), "item_index": number}).with_columns(
        title=pl.format("Product {} of many, in a title of words", number),
        brand=pl.format("brand {}", number % max(len(number) // 6, 1)),
        price=pl.when(number % 3 > 0).then((number * 37 % 10_000) / 100),
    )


def _item(number: pl.Series) -> pl.Series:
    return "B" + number.cast(pl.String).str.zfill(9)


def _rows(domains: Sequence[Domain], split: Split) -> pl.LazyFrame:
    def chunks() -> Iterator[pl.DataFrame]:
        row, user, item = 0, 0, 0
        for domain, (start, end) in _places(domains, split):
            for place in range(start, end, CHUNK):
                yield _chunk(domain, np.arange(place, min(place + CHUNK, end)), row, user, item)
            row, user, item = row + domain.rows, user + domain.users, item + domain.items

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        return chunks()  # nothing is asked of it but all

    return register_io_source(source, schema=_chunk(Domain("", 1, 1, 1), np.arange(1), 0, 0, 0).schema)


def _chunk(domain: Domain, places: np.ndarray, row: int, user: int, item: int) -> pl.DataFrame:
    """The rows at `places` of a domain's; its first row, user and item have these numbers."""
    random = np.random.default_rng(row + int(places[0]))
    mixed = places * STRIDE % domain.rows
    users = np.where(mixed < domain.users, mixed, random.integers(0, domain.users, len(places)))
    items = np.where(mixed < domain.items, mixed, random.integers(0, domain.items, len(places)))
    chance = 1 / (1 + np.exp(-(items % 5 - 1.0) - (users % 3 - 1.0)))
    earlier = pl.Series(item + random.integers(0, domain.items, len(places) * HISTORY))
    lengths = pl.Series(random.integers(0, HISTORY + 1, len(places)))
    return pl.DataFrame(
        {
            "row_id": row + places,
            "domain": pl.Series([domain.name]).new_from_index(0, len(places)),
            "user": "A" + pl.Series(user + users).cast(pl.String).str.zfill(13),
            "user_index": user + users,
            "item": _item(pl.Series(item + items)),
            "time": places,
            "label": (random.random(len(places)) < chance).astype(np.int8),
            "history": _item(earlier).reshape((len(places), HISTORY)).arr.to_list().list.head(pl.lit(lengths)),
        }
    )
