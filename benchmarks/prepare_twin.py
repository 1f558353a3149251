"""The published preprocessing of Uni-CTR's data, in its way of working: what the speed of ours is compared with.

Written anew from a description in words of what those scripts do, step by step, and how: frames that keep all keys of
the files, functions applied row by row, histories in loops over rows. Each of its two scripts makes them in its way.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
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
"""File name -> name in prompts, in the published order; a domain's number is its place here."""
WINDOW = 5
LONGEST = 10_000
"""Characters; rows with prompts of so many are dropped."""
SHARES = (0.81, 0.09)
"""Of a domain's rows, for training and validation."""
MIDDLE = 3
"""Higher ratings are liked, this one is dropped."""
_PRICE = re.compile(r"^\$\d+(\.\d+)?$")
_TEXTS = ("brand", "feature", "description", "title")
_USED = ["reviewerID", "asin", "overall", "unixReviewTime", "domain", "user", "item", "label"]
_SHOWN = ["history", "title", "brand", "price"]

History = Literal["running", "scan"]


def prepare(root: Path, out: Path, history: History = "running") -> dict[str, int]:
    """Write `train.csv`, `valid.csv` and `test.csv` into `out`, and `all.csv` on the way; how many rows each split has.

    `history`: `running`, as the main script, keeps the liked items of each user in one pass over the rows, and titles
    in a dictionary; `scan`, as the older script, searches whole frames for each user and for each title.
    """
    rows = _joined(root)
    prices = rows.apply(_price, axis=1)
    rows["price"] = prices.fillna(prices.mean())
    rows["user"], rows["item"] = (LabelEncoder().fit_transform(rows[key]) for key in ("reviewerID", "asin"))
    rows["label"] = rows["overall"].apply(lambda rating: int(rating > MIDDLE))
    rows["history"] = ""
    rows = HISTORIES[history](rows.sort_values(["reviewerID", "unixReviewTime"], ignore_index=True))
    out.mkdir(parents=True, exist_ok=True)
    _with_prompts(rows).to_csv(out / "all.csv", index=False)
    return _split(out)


def _joined(root: Path) -> pd.DataFrame:
    """Reviews of all domains, each with all that is told of its product."""
    reviews = [_read(root, name).assign(domain=number) for number, name in enumerate(TITLES)]
    meta = pd.concat([_read(root, f"meta_{name}") for name in TITLES], ignore_index=True)
    for key in _TEXTS:
        if key in meta.columns:
            meta[key] = _known(meta, key)
    return pd.concat(reviews, ignore_index=True).merge(meta.drop_duplicates("asin"), on="asin")


def _read(root: Path, name: str) -> pd.DataFrame:
    return pd.read_json(root / f"{name}.json.gz", lines=True)


def _known(meta: pd.DataFrame, key: str) -> pd.Series:
    """The values of a key, with a word for those that are missing or empty."""
    filled = meta.assign(**{key: meta[key].fillna("unknown")})
    return filled.apply(lambda row: row[key] or "unknown", axis=1)


def _price(row: pd.Series) -> float | None:
    """A plain price as a number."""
    return float(row["price"][1:]) if isinstance(row["price"], str) and _PRICE.match(row["price"]) else None


def _running(rows: pd.DataFrame) -> pd.DataFrame:
    """Histories as the main script makes them: two loops over the rows, the second with each user's list so far."""
    titles = {}
    for _, row in rows.iterrows():
        titles[row["asin"]] = row["title"]
    liked: dict[str, list[str]] = defaultdict(list)
    for index, row in rows.iterrows():
        shown = liked[row["reviewerID"]]
        rows.at[index, "history"] = _told(titles[asin] for asin in shown[-WINDOW:])
        if row["label"]:
            shown.append(row["asin"])
    return rows


def _scan(rows: pd.DataFrame) -> pd.DataFrame:
    """Histories as the older script makes them: user after user, each searched in all rows, as each title is."""
    liked = rows[rows["label"] == 1].groupby("reviewerID")["asin"].agg(list).reset_index(name="items")
    history, label = rows.columns.get_loc("history"), rows.columns.get_loc("label")
    done = []
    for user in rows["reviewerID"].unique():
        items = next(iter(liked[liked["reviewerID"] == user]["items"]), [])
        own = rows[rows["reviewerID"] == user].copy()
        seen = 0
        for place in range(len(own)):
            shown = items[max(0, seen - WINDOW) : seen]
            own.iloc[place, history] = _told(rows[rows["asin"] == asin]["title"].iloc[0] for asin in shown)
            seen += own.iloc[place, label]
        done.append(own)
    return pd.concat(done, ignore_index=True)


HISTORIES: dict[History, Callable[[pd.DataFrame], pd.DataFrame]] = {"running": _running, "scan": _scan}


def _told(titles: Iterable[str]) -> str:
    return " & ".join(f"product '{title}'" for title in titles)


def _with_prompts(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows[_USED + _SHOWN].replace(r"\s+", " ", regex=True)
    rows["history"] = rows["history"].replace("", "nothing")
    rows["prompt"] = rows.apply(_prompt, axis=1)
    return rows[rows["prompt"].str.len() < LONGEST]


def _prompt(row: pd.Series) -> str:
    return (
        f"{list(TITLES.values())[row['domain']]}: The user ID is user_{row['user']}, "
        f"who clicked {row['history']} recently. "
        f"The ID of current product is product_{row['item']}, the title is '{row['title']}', "
        f"the brand is '{row['brand']}', the price is {row['price']:.2f}$."
    )


def _split(out: Path) -> dict[str, int]:
    """The last script: per domain the earliest rows train, the next validate, the latest test."""
    rows = pd.read_csv(out / "all.csv")
    rows = rows[rows["overall"] != MIDDLE]
    parts: dict[str, list[pd.DataFrame]] = {"train": [], "valid": [], "test": []}
    for _, domain in rows.groupby("domain"):
        ordered = domain.sort_values("unixReviewTime", kind="stable")
        first, second = int(len(ordered) * SHARES[0]), int(len(ordered) * sum(SHARES))
        for split, (start, end) in zip(parts, ((0, first), (first, second), (second, None)), strict=True):
            parts[split].append(ordered.iloc[start:end])
    made = {split: pd.concat(frames) for split, frames in parts.items()}
    for split, frame in made.items():
        frame.to_csv(out / f"{split}.csv", index=False)
    return {split: len(frame) for split, frame in made.items()}
