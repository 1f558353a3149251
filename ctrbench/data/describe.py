"""What a prepared dataset holds: the paper's Table II, and everything that happened on the way to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import polars as pl
from pydantic import BaseModel, ValidationError

from ctrbench.data.options import PrepareOptions
from ctrbench.data.periods import moment
from ctrbench.data.problems import Problem
from ctrbench.data.profile import split_rows, unseen_shares
from ctrbench.data.split import SPLITS
from ctrbench.data.store import PreparedDataset
from ctrbench.data.taken import source_class
from ctrbench.errors import PluginError

Cell = str | int | float | None


class Section(BaseModel):
    """One table of a description; shares are between 0 and 1."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]


class Description(BaseModel):
    """A dataset's name, facts, doubts (sentences) and tables; `unusual` are the options that differ from defaults."""

    source: str
    synthetic: bool
    fingerprint: str
    options: dict[str, Any]
    unusual: dict[str, Any]
    doubts: list[str] = []
    sections: list[Section]


def describe(data: PreparedDataset) -> Description:
    """Statistics per domain, rows after each step, the splits, and every problem with an example."""
    options = {**data.manifest.source_options, **data.manifest.options}
    usual = {**_usual_options(data.manifest.registered), **PrepareOptions().model_dump(mode="json")}
    return Description(
        source=data.manifest.source,
        synthetic=data.manifest.synthetic,
        fingerprint=data.fingerprint,
        options=options,
        unusual={name: value for name, value in options.items() if name not in usual or value != usual[name]},
        doubts=data.manifest.doubts,
        sections=_sections(data),
    )


def written(options: Mapping[str, Any]) -> str:
    """Options as one line, each value as it is given on the command line."""
    return ", ".join(f"{name}={_value(value)}" for name, value in options.items())


def _value(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(_value, value)) if isinstance(value, (list, tuple)) else str(value)


def _usual_options(source: str) -> dict[str, Any]:
    """A source's defaults; none where the source is not installed here, or cannot do without an option."""
    try:
        return dict(source_class(source).Options().model_dump(mode="json"))
    except (PluginError, ValidationError):
        return {}


def _sections(data: PreparedDataset) -> list[Section]:
    rows = split_rows(data)
    with data.reading():
        return [
            _sizes(data, rows),
            _steps(data),
            _splits(data, rows),
            _unseen_shares(data),
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

    Bad rows that no domain claims (of a user without an age, say) were read, too: they have a line if any are.
    """
    steps = data.manifest.steps
    domains = dict.fromkeys(domain for step in steps for domain in step.rows)  # the source's, and derived ones
    counts = {domain: [step.rows.get(domain, 0) for step in steps] for domain in domains}
    if astray := _astray(data):
        counts["in no domain"] = [astray, *[0] * (len(steps) - 1)]
    every = [sum(column) for column in zip(*counts.values(), strict=True)]
    left_out: list[Cell] = [None]
    for (before, now), step in zip(pairwise(every), steps[1:], strict=True):
        left_out.append(None if step.name in SPLITS else before - now)
    rows: list[list[Cell]] = [[name, *found] for name, found in counts.items()]
    columns = ["domain", *(step.name for step in steps)]
    return Section(
        title="Rows after each step", columns=columns, rows=[*rows, ["all", *every], ["left out", *left_out]]
    )


def _astray(data: PreparedDataset) -> int:
    """Bad rows of no domain, or of one that has nothing but bad rows."""
    bad = [p for p in data.manifest.problems if p.error and p.table == "interactions"]
    return sum(p.count for p in bad if p.domain not in data.manifest.steps[0].rows)


def _splits(data: PreparedDataset, rows: pl.LazyFrame) -> Section:
    first, last = (moment(time).dt.strftime("%Y-%m-%d") for time in (pl.col("time").min(), pl.col("time").max()))
    facts = {"rows": pl.len(), "label rate": pl.col("label").mean(), "from": first, "to": last}
    return Section(title="Splits", columns=["domain", "split", *facts], rows=_by_split(data, rows, facts))


def _unseen_shares(data: PreparedDataset) -> Section:
    return Section(
        title="Share of rows whose user or item is unseen in training",
        columns=["domain", "split", "unseen user", "unseen item", "either"],
        rows=[list(row) for row in unseen_shares(data).iter_rows()],
    )


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
