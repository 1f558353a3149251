"""The layout of a dataset: users, products and samples per domain, counted, beside what the paper counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ctrbench.report.grid import Cell, Column, Entry, Row, Table
from ctrbench.report.layouts.assemble import assembled

if TYPE_CHECKING:
    from ctrbench.data.store import PreparedDataset
    from ctrbench.report.findings import Findings

COUNTED = ("users", "products", "samples")
"""What the paper's Table II counts."""
SPLITS = ("train", "valid", "test")
EVERY = "all"
LEGEND = "samples: rows after preparation; label rate: the share that is positive."


def build(findings: Findings) -> Table:
    """One row per domain of the prepared data, and one for all; users and products of several domains count once there.

    Published counts stand beside those of the domains that the table names.
    """
    plan, table, data = findings.plan, findings.table, findings.data
    found = counts(data)
    publishes = any(domain in table.published for domain in found)
    titles = {**plan.titles, EVERY: "All domains"}
    published = {domain: table.published.get(domain, {}) for domain in found}
    rows = [Row(titles[d], _cells(row, published[d] if publishes else None)) for d, row in found.items()]
    entries = [Entry(titles[d], d, {**row, **_paper(published[d])}, {}) for d, row in found.items()]
    return assembled(findings, _columns(publishes), rows, entries, legend=[LEGEND], head="Domain")


def counts(data: PreparedDataset) -> dict[str, dict[str, Any]]:
    """By domain, and for all of them: users, products, samples, label rate, rows of each split."""
    import polars as pl

    from ctrbench.data.profile import split_rows

    rows = split_rows(data)
    numbers = [
        pl.col("user_index").n_unique().alias("users"),
        pl.col("item").n_unique().alias("products"),
        pl.len().alias("samples"),
        pl.col("label").mean().alias("label_rate"),
        *((pl.col("split") == split).sum().alias(split) for split in SPLITS),
    ]
    with data.reading():
        by_domain = {row.pop("domain"): row for row in rows.group_by("domain").agg(numbers).collect().to_dicts()}
        whole = rows.select(numbers).collect().to_dicts()[0]
    empty = {**dict.fromkeys((*COUNTED, *SPLITS), 0), "label_rate": None}
    return {**{domain: by_domain.get(domain, empty) for domain in data.domains}, EVERY: whole}


def _columns(publishes: bool) -> list[Column]:
    columns = []
    for name in COUNTED:
        columns += [Column("here", name.title()), *([Column("paper", name.title(), aside=True)] if publishes else [])]
    return [*columns, *(Column(split, "Rows") for split in SPLITS), Column("positive", "Label rate")]


def _cells(found: dict[str, Any], published: dict[str, float] | None) -> list[Cell]:
    cells = []
    for name in COUNTED:
        cells.append(_count(found[name]))
        if published is not None:
            cells.append(_count(published.get(name), "muted"))
    rate = found["label_rate"]
    return [*cells, *(_count(found[split]) for split in SPLITS), Cell("-" if rate is None else f"{rate:.3f}", rate)]


def _count(number: float | None, style: Any = "") -> Cell:
    return Cell("-", style="muted") if number is None else Cell(f"{number:,.0f}", number, style=style)


def _paper(published: dict[str, float]) -> dict[str, float | None]:
    return {f"published_{name}": published.get(name) for name in COUNTED}
