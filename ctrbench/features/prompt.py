"""Rows as text: a prompt template filled for all rows at once."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import TYPE_CHECKING

import polars as pl

from ctrbench.data.store import TRUE_PROBABILITY
from ctrbench.errors import ConfigError

if TYPE_CHECKING:
    from ctrbench.data.source import Prompt

HISTORY = "history"
INDEX = "_index"
"""`{brand_index}` is the number of an item's brand, from 0, in the order of all items' brands."""
_TITLE, _DOMAIN = "domain_title", "domain_index"
_ANSWERS = {"label", TRUE_PROBABILITY}  # a prompt that tells what is to be predicted makes scores worthless


def check_prompt(
    prompt: Prompt, rows: pl.DataFrame | pl.LazyFrame, items: pl.DataFrame, name: str | None = None
) -> None:
    """Raise `ConfigError` for a template that is malformed, or that names what `rows` and `items` do not hold.

    A history is made of items, so `history_item` names their columns only. `name`: the prompt's, for the message.
    """
    whose = f"prompt '{name}'" if name else "the prompt"
    of_items = _shown(items) | {f"{column}{INDEX}" for column in _numbered(items)}
    of_rows = of_items | _shown(rows) | {_TITLE, _DOMAIN} | ({HISTORY} & set(rows.collect_schema()))
    for key, known in (("template", of_rows), ("history_item", of_items)):
        for _, placeholder in _parsed(getattr(prompt, key), f"the {key} of {whose}"):
            if placeholder is not None and placeholder not in known:
                raise ConfigError(
                    f"the {key} of {whose} names {{{placeholder}}}, which is no column that it can show;"
                    f" there are {', '.join(sorted(known))}"
                )


def has_history(prompt: Prompt) -> bool:
    """Whether the template shows the history."""
    return HISTORY in _placeholders(prompt.template)


def with_indices(items: pl.DataFrame, prompt: Prompt) -> pl.DataFrame:
    """`items` with the numbers (`INDEX`) that a prompt asks for, of all its text columns; null stays null."""
    names = _placeholders(prompt.template) + _placeholders(prompt.history_item)
    wanted = [column for column in _numbered(items) if f"{column}{INDEX}" in names]
    return items.with_columns((pl.col(name).rank("dense") - 1).alias(f"{name}{INDEX}") for name in wanted)


def render(rows: pl.DataFrame, items: pl.DataFrame, prompt: Prompt, titles: Mapping[str, str]) -> pl.Series:
    """One line of text per row, in order.

    `titles` maps a domain, in their order, to its name in prompts. Raises `ConfigError` where `check_prompt` does.
    """
    check_prompt(prompt, rows, items)
    names = _placeholders(prompt.template)
    items = with_indices(items, prompt)
    places = {domain: str(place) for place, domain in enumerate(titles)}
    domain = pl.col("domain")
    table = rows.with_columns(domain.replace(titles).alias(_TITLE), domain.replace(places).alias(_DOMAIN))
    if HISTORY in names:
        table = table.with_columns(_history(rows, items, prompt).alias(HISTORY))
    wanted = [name for name in names if name not in table.columns]
    table = table.join(items.select("item", *wanted), on="item", how="left", maintain_order="left")
    return table.select(_fill(prompt.template, table.schema, prompt.missing)).to_series()


def _history(rows: pl.DataFrame, items: pl.DataFrame, prompt: Prompt) -> pl.Series:
    """Each row's history as text, oldest item first."""
    names = [name for name in _placeholders(prompt.history_item) if name != "item"]
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
    for literal, name in _parsed(template, "the prompt"):
        parts.append(pl.lit(literal))
        if name is not None:
            value = pl.col(name).fill_nan(None) if schema[name].is_float() else pl.col(name)
            text = value.cast(pl.String)  # a float in as few digits as tell it from others of its own precision
            if name != HISTORY:  # which is blank where `history_empty` is
                text = pl.when(text.str.strip_chars() == "").then(None).otherwise(text).fill_null(missing)
            parts.append(text)
    return pl.concat_str(parts).alias("_text")


def _placeholders(template: str) -> list[str]:
    return list(dict.fromkeys(name for _, name in _parsed(template, "the prompt") if name is not None))


def _parsed(template: str, where: str) -> list[tuple[str, str | None]]:
    """Pieces of literal text, each with the placeholder that follows it, if one does."""
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as fault:
        raise ConfigError(f"{where} has a brace too few or too many ({fault}); write {{{{ or }}}} for one") from None
    for _, name, form, conversion in pieces:
        if name == "":
            raise ConfigError(f"{where} has an empty placeholder {{}}; name a column, or write {{{{}}}} for braces")
        if form or conversion:
            raise ConfigError(
                f"{where} gives {{{name}}} a format, which is not supported; write {{{name}}} alone,"
                " and let the dataset have a column of formatted values"
            )
    return [(literal, name) for literal, name, _, _ in pieces]


def _numbered(items: pl.DataFrame) -> list[str]:
    """Columns of text that have no number yet."""
    texts = [name for name, kind in items.schema.items() if kind == pl.String]
    return [name for name in texts if f"{name}{INDEX}" not in items.columns]


def _shown(frame: pl.DataFrame | pl.LazyFrame) -> set[str]:
    """Columns that a prompt may show: no lists, and nothing of what is to be predicted."""
    return {name for name, kind in frame.collect_schema().items() if not kind.is_nested()} - _ANSWERS
