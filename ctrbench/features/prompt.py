"""Rows as text: a prompt template filled for all rows at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from ctrbench.data.templates import DOMAIN, HISTORY, INDEX, TITLE, check_prompt, numbered, parsed, placeholders

if TYPE_CHECKING:
    from ctrbench.data.source import Prompt


def has_history(prompt: Prompt) -> bool:
    """Whether the template shows the history."""
    return HISTORY in placeholders(prompt.template)


def with_indices(items: pl.DataFrame, prompt: Prompt) -> pl.DataFrame:
    """`items` with the numbers (`INDEX`) that a prompt asks for, of all its text columns; null stays null."""
    names = placeholders(prompt.template) + placeholders(prompt.history_item)
    wanted = [column for column in numbered(items) if f"{column}{INDEX}" in names]
    return items.with_columns((pl.col(name).rank("dense") - 1).alias(f"{name}{INDEX}") for name in wanted)


def render(rows: pl.DataFrame, items: pl.DataFrame, prompt: Prompt, titles: Mapping[str, str]) -> pl.Series:
    """One line of text per row, in order.

    `titles` maps a domain, in their order, to its name in prompts. Raises `ConfigError` where `check_prompt` does.
    """
    check_prompt(prompt, rows, items)
    names = placeholders(prompt.template)
    items = with_indices(items, prompt)
    places = {domain: str(place) for place, domain in enumerate(titles)}
    domain = pl.col("domain")
    table = rows.with_columns(domain.replace(titles).alias(TITLE), domain.replace(places).alias(DOMAIN))
    if HISTORY in names:
        table = table.with_columns(_history(rows, items, prompt).alias(HISTORY))
    wanted = [name for name in names if name not in table.columns]
    table = table.join(items.select("item", *wanted), on="item", how="left", maintain_order="left")
    return table.select(_fill(prompt.template, table.schema, prompt.missing)).to_series()


def _history(rows: pl.DataFrame, items: pl.DataFrame, prompt: Prompt) -> pl.Series:
    """Each row's history as text, oldest item first."""
    names = [name for name in placeholders(prompt.history_item) if name != "item"]
    flat = (
        rows.select(pl.int_range(pl.len()).alias("_row"), pl.col(HISTORY).alias("item"))
        .explode("item")
        .drop_nulls("item")
        .join(items.select("item", *names), on="item", how="left", maintain_order="left")
    )
    text = flat.select("_row", _fill(prompt.history_item, flat.schema, prompt.missing))
    joined = text.group_by("_row", maintain_order=True).agg(pl.col("_text").str.join(prompt.history_join))
    every = pl.DataFrame({"_row": range(len(rows))}, schema={"_row": joined.schema["_row"]})
    return every.join(joined, on="_row", how="left", maintain_order="left")["_text"].fill_null(prompt.history_empty)


def _fill(template: str, schema: pl.Schema, missing: str) -> pl.Expr:
    """The template as an expression over columns; null, NaN and blank become `missing`."""
    parts: list[pl.Expr] = []
    for literal, name in parsed(template, "the prompt"):
        parts.append(pl.lit(literal))
        if name is not None:
            value = pl.col(name).fill_nan(None) if schema[name].is_float() else pl.col(name)
            text = value.cast(pl.String)  # a float in as few digits as tell it from others of its own precision
            if name != HISTORY:  # which is blank where `history_empty` is
                text = pl.when(text.str.strip_chars() == "").then(None).otherwise(text).fill_null(missing)
            parts.append(text)
    return pl.concat_str(parts).alias("_text")
