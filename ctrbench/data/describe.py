"""What a prepared dataset holds: the paper's Table II, and everything that happened on the way to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl
from pydantic import BaseModel

from ctrbench.data.problems import Problem
from ctrbench.data.split import SPLITS
from ctrbench.data.store import PreparedDataset

Cell = str | int | float | None


class Section(BaseModel):
    """One table of a description; shares are between 0 and 1."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]


class Description(BaseModel):
    """A dataset's name, facts and tables."""

    source: str
    synthetic: bool
    fingerprint: str
    options: dict[str, Any]
    sections: list[Section]


def describe(data: PreparedDataset) -> Description:
    """Statistics per domain, rows after each step, the splits, and every problem with an example."""
    return Description(
        source=data.manifest.source,
        synthetic=data.manifest.synthetic,
        fingerprint=data.fingerprint,
        options={**data.manifest.source_options, **data.manifest.options},
        sections=_sections(data),
    )


def _sections(data: PreparedDataset) -> list[Section]:
    rows = pl.concat([data.scan(split).with_columns(pl.lit(split).alias("split")) for split in SPLITS])
    with data.reading():
        return [
            _sizes(data, rows),
            _steps(data),
            _splits(data, rows),
            _unseen_shares(data, rows),
            _histories(data, rows),
            _problems(data.manifest.problems),
        ]


def _sizes(data: PreparedDataset, rows: pl.LazyFrame) -> Section:
    facts = _by_domain(
        data,
        rows,
        users=pl.col("user_index").n_unique(),
        products=pl.col("item").n_unique(),
        samples=pl.len(),
        positive=pl.col("label").mean(),
    )
    every = rows.select(
        pl.col("user_index").n_unique(), pl.col("item").n_unique(), pl.len(), pl.col("label").mean()
    ).collect()
    names = ["domain", "users", "products", "samples", "label rate"]
    return Section(title="Sizes (Table II)", columns=names, rows=[*facts, ["all", *every.row(0)]])


def _steps(data: PreparedDataset) -> Section:
    """Rows after each step; the steps after the last common one are the splits, which add up to it.

    Bad rows that no domain claims (of a user without an age, say) were read, too: they have a column if any are.
    """
    made = []
    before: int | None = None
    astray = _astray(data)
    for place, step in enumerate(data.manifest.steps):
        known = [step.rows.get(domain, 0) for domain in data.domains]
        counts = [*known, *([0 if place else astray] if astray else [])]
        total = sum(counts)
        dropped = None if before is None or step.name in SPLITS else before - total
        before = before if step.name in SPLITS else total
        made.append([step.name, *counts, total, dropped])
    columns = ["step", *data.domains, *(["in no domain"] if astray else []), "all", "left out"]
    return Section(title="Rows after each step", columns=columns, rows=made)


def _astray(data: PreparedDataset) -> int:
    """Bad rows of no domain, or of one that has nothing but bad rows."""
    bad = [p for p in data.manifest.problems if p.error and p.table == "interactions"]
    return sum(p.count for p in bad if p.domain not in data.domains)


def _splits(data: PreparedDataset, rows: pl.LazyFrame) -> Section:
    first, last = (pl.from_epoch(time).dt.strftime("%Y-%m-%d") for time in (pl.col("time").min(), pl.col("time").max()))
    facts = {"rows": pl.len(), "label rate": pl.col("label").mean(), "from": first, "to": last}
    return Section(title="Splits", columns=["domain", "split", *facts], rows=_by_split(data, rows, facts))


def _unseen_shares(data: PreparedDataset, rows: pl.LazyFrame) -> Section:
    """How much of a split is cold: users and items without a training row in any domain."""
    user, item = (_unseen(data.scan("train"), column) for column in ("user", "item"))
    facts = {"unseen user": user.mean(), "unseen item": item.mean(), "either": (user | item).mean()}
    later = rows.filter(pl.col("split") != "train")
    return Section(
        title="Share of rows whose user or item is unseen in training",
        columns=["domain", "split", *facts],
        rows=_by_split(data, later, facts),
    )


def _unseen(train: pl.LazyFrame, column: str) -> pl.Expr:
    seen = train.select(pl.col(column).unique()).collect().to_series()
    return ~pl.col(column).is_in(seen.implode())


def _histories(data: PreparedDataset, rows: pl.LazyFrame) -> Section:
    length = pl.col("history").list.len()
    facts = _by_domain(
        data,
        rows,
        mean=length.mean(),
        longest=length.max(),
        empty=(length == 0).mean(),
        again=pl.col("history").list.contains(pl.col("item")).mean(),
    )
    return Section(
        title="Histories (repeated: holds the row's own item, from an earlier time)",
        columns=["domain", "mean length", "longest", "empty", "repeated"],
        rows=facts,
    )


def _problems(problems: Iterable[Problem]) -> Section:
    made: list[list[Cell]] = [
        [
            "left out" if p.error else "note",
            p.table,
            p.domain or "-",
            p.reason,
            p.count,
            p.examples[0] if p.examples else None,
        ]
        for p in problems
    ]
    return Section(title="Warnings", columns=["kind", "table", "domain", "reason", "count", "example"], rows=made)


def _by_domain(data: PreparedDataset, rows: pl.LazyFrame, **facts: pl.Expr) -> list[list[Cell]]:
    found = rows.group_by("domain").agg(**facts).collect()
    by_name = {row[0]: list(row[1:]) for row in found.iter_rows()}
    nothing = rows.clear().select(**facts).collect().row(0)  # of a domain that cleaning emptied
    return [[domain, *by_name.get(domain, nothing)] for domain in data.domains]


def _by_split(data: PreparedDataset, rows: pl.LazyFrame, facts: dict[str, pl.Expr]) -> list[list[Cell]]:
    found = rows.group_by("domain", "split").agg(**facts).collect()
    by_name = {row[:2]: list(row) for row in found.iter_rows()}
    return [by_name[d, s] for d in data.domains for s in SPLITS if (d, s) in by_name]
