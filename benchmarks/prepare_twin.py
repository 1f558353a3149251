"""The published preprocessing of Uni-CTR's data, as the paper's code does it: what the speed of ours is compared with.

Written anew from a description of that code, whose own rules it keeps: JSON parsed line by line into pandas frames,
metadata merged in, histories and prompts made in loops over rows, ids numbered over all data, a split by time.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pandas as pd
from sklearn.preprocessing import LabelEncoder

TITLES = {
    "AMAZON_FASHION": "Amazon Fashion",
    "Digital_Music": "Digital Music",
    "Musical_Instruments": "Musical Instruments",
    "Gift_Cards": "Gift Cards",
    "All_Beauty": "All Beauty",
}
"""File name -> name in prompts, in the published order."""
WINDOW = 5
LONGEST = 10_000
"""Characters; rows with longer prompts are dropped."""
SHARES = (0.81, 0.09)
"""Of a domain's rows, for training and validation."""
_PRICE = re.compile(r"^\$\d+(\.\d+)?$")


def prepare(root: Path, out: Path, lookup: Literal["dict", "frame"] = "dict") -> dict[str, int]:
    """Write `train.csv`, `valid.csv` and `test.csv` into `out`; how many rows each has.

    `lookup`: whether the titles of a history come from a dictionary or, one by one, from the frame of all products.
    """
    reviews = _read(root, "", ["reviewerID", "asin", "overall", "unixReviewTime"])
    meta = _read(root, "meta_", ["asin", "title", "brand", "price"]).drop_duplicates("asin").drop(columns="domain")
    meta["title"], meta["brand"] = (meta[key].replace("", "unknown").fillna("unknown") for key in ("title", "brand"))
    meta["price"] = _prices(meta["price"])
    rows = reviews.merge(meta, on="asin").sort_values("unixReviewTime", kind="stable")
    rows["history"] = _histories(rows, _titles(meta, lookup))
    rows["user"], rows["item"] = (LabelEncoder().fit_transform(rows[key]) for key in ("reviewerID", "asin"))
    rows["prompt"] = rows.apply(_prompt, axis=1)
    rows = rows[(rows["prompt"].str.len() < LONGEST) & (rows["overall"] != 3)]
    rows["label"] = (rows["overall"] > 3).astype(int)
    return _write(rows, out)


def _read(root: Path, prefix: str, keys: list[str]) -> pd.DataFrame:
    """All domains' lines in one frame."""
    frames = []
    for name in TITLES:
        with gzip.open(root / f"{prefix}{name}.json.gz", "rt", encoding="utf-8") as lines:
            frame = pd.DataFrame([json.loads(line) for line in lines])[keys]
        frames.append(frame.assign(domain=name))
    return pd.concat(frames, ignore_index=True)


def _prices(texts: pd.Series) -> pd.Series:
    """Plain prices as numbers; their mean where there is none."""
    numbers = texts.apply(lambda text: float(text[1:]) if isinstance(text, str) and _PRICE.match(text) else None)
    return numbers.fillna(numbers.mean())


def _titles(meta: pd.DataFrame, lookup: str) -> Callable[[str], str]:
    if lookup == "frame":
        return lambda asin: next(iter(meta.loc[meta["asin"] == asin, "title"]), "unknown")
    titles = dict(zip(meta["asin"], meta["title"], strict=True))
    return lambda asin: titles.get(asin, "unknown")


def _histories(rows: pd.DataFrame, title: Callable[[str], str]) -> list[str]:
    """Each row's last liked products, of all domains, in the order of the rows; ties in time are not kept apart."""
    liked: dict[str, list[str]] = defaultdict(list)
    histories = []
    for _, row in rows.iterrows():
        shown = liked[row["reviewerID"]][-WINDOW:]
        told = " & ".join(f"product '{title(asin)}'" for asin in shown)
        histories.append(told or "nothing")
        if row["overall"] > 3:
            liked[row["reviewerID"]].append(row["asin"])
    return histories


def _prompt(row: pd.Series) -> str:
    return (
        f"{TITLES[row['domain']]}: The user ID is user_{row['user']}, who clicked {row['history']} recently. "
        f"The ID of current product is product_{row['item']}, the title is '{row['title']}', "
        f"the brand is '{row['brand']}', the price is {row['price']:.2f}$."
    )


def _write(rows: pd.DataFrame, out: Path) -> dict[str, int]:
    """Per domain the earliest rows train, the next validate, the latest test."""
    out.mkdir(parents=True, exist_ok=True)
    parts: dict[str, list[pd.DataFrame]] = {"train": [], "valid": [], "test": []}
    for _, domain in rows.groupby("domain", sort=False):
        ordered = domain.sort_values("unixReviewTime", kind="stable")
        first, second = int(len(ordered) * SHARES[0]), int(len(ordered) * sum(SHARES))
        for split, (start, end) in zip(parts, ((0, first), (first, second), (second, None)), strict=True):
            parts[split].append(ordered.iloc[start:end])
    made = {split: pd.concat(frames) for split, frames in parts.items()}
    for split, frame in made.items():
        frame.to_csv(out / f"{split}.csv", index=False)
    return {split: len(frame) for split, frame in made.items()}
