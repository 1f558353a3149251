"""What a fresh dataset lets doubt its source: rows given twice, times to come, features that tell the label.

A look at some rows, which costs little; `ctrbench data audit` looks at all, and proves or refutes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

from ctrbench.conduct.blame import Suspect
from ctrbench.data.audit_features import NEARLY, features_of, telling
from ctrbench.data.checks import IN_FUTURE
from ctrbench.data.steps import REPEATED_ROW

if TYPE_CHECKING:
    from ctrbench.data.store import PreparedDataset

_ROWS = 20_000
"""The latest train rows of each domain, which are looked at."""
_LATER = 0.1
"""Share of the entries of histories that may be of items which the user first meets later."""
_log = logging.getLogger(__name__)


def doubts_of(data: PreparedDataset, source_name: str) -> list[str]:
    """A sentence with the source's name and distribution for each doubt."""
    suspect = Suspect("datasets", source_name)
    return [f"{suspect} {doubt}" for doubt in (*_repeats(data), *_future(data), *_leaks(data))]


def tell_doubts(data: PreparedDataset, source_name: str) -> None:
    """Log what the manifest doubts, and what to do about it."""
    advice = Suspect("datasets", source_name).advice
    for doubt in data.manifest.doubts:
        _log.warning("%s; `ctrbench data audit %s` says more, and %s", doubt, data.path, advice)


def _repeats(data: PreparedDataset) -> Iterator[str]:
    again = sum(problem.count for problem in data.manifest.problems if problem.reason == REPEATED_ROW)
    if again:
        yield f"gives {again:,} rows twice (domain, user, item and time alike; the first stands), or its files do"


def _future(data: PreparedDataset) -> Iterator[str]:
    found = [problem for problem in data.manifest.problems if problem.reason == IN_FUTURE]
    if found:
        count, example = sum(problem.count for problem in found), "".join(found[0].examples[:1])
        yield f"gives {count:,} rows a {IN_FUTURE}, as in {example}"


def _leaks(data: PreparedDataset) -> Iterator[str]:
    names = list(features_of(data))
    if not names and not data.manifest.own_history:
        return
    rows = data.rows("train", limit=_ROWS)
    for name in names:
        values = rows.select(value=pl.col(name), label=pl.col("label").cast(pl.Int64))
        if (told := telling(values)) >= NEARLY:
            yield f"gives a feature {name!r} that tells the label (AUC {told:.2f} on {rows.height:,} rows): it leaks it"
    if data.manifest.own_history and (share := _later(data, rows)) > _LATER:
        yield f"leaks the future, or cuts off the past: {share:.0%} of what its histories show has its first row later"


def _later(data: PreparedDataset, rows: pl.DataFrame) -> float:
    """Of the entries of these rows' histories whose item the user has train rows with, the share with none before."""
    with data.reading():
        met = data.scan("train").select("user", "item", "time").join(rows.lazy().select("user"), on="user", how="semi")
        first = met.group_by("user", "item").agg(met=pl.col("time").min()).collect()
    shown = rows.select("user", "time", item="history").explode("item").drop_nulls()
    known = shown.join(first, on=["user", "item"])
    return known.select((pl.col("met") >= pl.col("time")).mean()).item() or 0.0
