"""Rows as text: a prompt template filled for all rows at once."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import TYPE_CHECKING

import polars as pl

from ctrbench.errors import ConfigError

if TYPE_CHECKING:
    from ctrbench.data.source import Prompt


def render(rows: pl.DataFrame, items: pl.DataFrame, prompt: Prompt, titles: Mapping[str, str]) -> pl.Series:
    """One line of text per row, in order.

    `titles` maps a domain to its name in prompts. Raises `ConfigError` where the template names no column.
    """
    names = _placeholders(prompt.template)
    table = rows.with_columns(domain_title=pl.col("domain").replace(titles))
    if "history" in names:
        table = table.with_columns(history=_history(rows, items, prompt))
    wanted = [name for name in names if name not in table.columns and name in items.columns]
    table = table.join(items.select("item", *wanted), on="item", how="left", maintain_order="left")
    return table.select(_fill(prompt.template, table.columns, prompt.missing)).to_series()


def _history(rows: pl.DataFrame, items: pl.DataFrame, prompt: Prompt) -> pl.Series:
    """Each row's history as text, oldest item first."""
    names = [name for name in _placeholders(prompt.history_item) if name != "item"]
    flat = (
        rows.select(pl.int_range(pl.len()).alias("row"), pl.col("history").alias("item"))
        .explode("item")
        .drop_nulls("item")
        .join(items.select("item", *names), on="item", how="left", maintain_order="left")
    )
    text = flat.select("row", text=_fill(prompt.history_item, flat.columns, prompt.missing))
    joined = text.group_by("row", maintain_order=True).agg(pl.col("text").str.join(prompt.history_join))
    every = pl.DataFrame({"row": range(len(rows))}, schema={"row": joined.schema["row"]})
    return every.join(joined, on="row", how="left", maintain_order="left")["text"].fill_null(prompt.history_empty)


def _placeholders(template: str) -> list[str]:
    return list(dict.fromkeys(name for _, name, _, _ in Formatter().parse(template) if name))


def _fill(template: str, columns: list[str], missing: str) -> pl.Expr:
    """The template as an expression over `columns`."""
    parts: list[pl.Expr] = []
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(pl.lit(literal))
        if name is None:
            continue
        if name not in columns:
            raise ConfigError(f"prompt placeholder '{{{name}}}' is no column; there are {', '.join(sorted(columns))}")
        value = pl.col(name).cast(pl.String)
        parts.append(pl.when(value.str.strip_chars() == "").then(None).otherwise(value).fill_null(missing))
    return pl.concat_str(parts).alias("text")
