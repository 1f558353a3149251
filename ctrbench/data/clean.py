"""Cleaning of values that come from web pages: titles, names and prices."""

from __future__ import annotations

import html
from typing import Literal

import polars as pl

_ENTITY = r"&#?\w{1,32};"
_TAG = r"</?[A-Za-z!][^<>]*>"
_UNCLOSED_TAG = r"<[A-Za-z]\w*\s[^<>]*=[^<>]*$"
_SCRIPT = r"getTime\b|<\s*/?(?:script|style)\b|\bfunction\s*\w*\(|\bvar\s+\w+\s*="
_STYLE = r"[.#@][\w-]+(?:[\s,>]+[.#]?[\w-]+)*\s*\{"
_PAGE_CODE = f"(?i){_SCRIPT}|{_STYLE}"
_AMOUNT = r"\$?\s*(\d[\d,]*(?:\.\d+)?|\.\d+)"
_PRICE = rf"(?i)^\s*(?:from\s+)?{_AMOUNT}(?:\s*[-–—]\s*{_AMOUNT})?\s*$"
_NO_PRICE = r"(?i)^\s*(?:[-–—]|none|null|nan|n/a)?\s*$"
_NO_TEXT = r'^\s*(?:\[\s*(?:"\s*")?\s*\])?\s*$'
_PLAIN_PRICE = r"^\$(\d+(?:\.\d+)?)$"
_UNESCAPES = 3  # an entity may be escaped twice; the third pass finds nothing


def clean_text(texts: pl.Series) -> pl.Series:
    """Text as a reader sees it: no tags, no entities, single spaces; page code becomes null.

    texts: String; so is what comes back, value for value. A list (as JSON text) counts as its first element. Blank
    becomes null.
    """
    texts = _first_of_list(texts)
    for _ in range(_UNESCAPES):
        texts = _unescape(texts)
    value = pl.col(texts.name)
    plain = value.str.replace_all(_TAG, " ").str.replace_all(_UNCLOSED_TAG, " ")
    tidy = plain.str.replace_all(r"\s+", " ").str.strip_chars()
    kept = pl.when(~value.str.contains(_PAGE_CODE) & (tidy != "")).then(tidy)
    return texts.to_frame().select(kept.alias(texts.name)).to_series()


def was_page_code(raw: pl.Series, clean: pl.Series) -> pl.Series:
    """Where `clean_text` left nothing of a value that was not blank: pieces of a page's script, style sheet or tags.

    clean: what it made of `raw`. Boolean, value for value, for `Problems.add`.
    """
    return clean.is_null() & ~raw.str.contains(_NO_TEXT).fill_null(value=True)


def was_rewritten(raw: pl.Series, clean: pl.Series) -> pl.Series:
    """Where `clean_text` left other words than a value had: without its tags, entities, or all but the first of a list.

    White space alone is no other word. Boolean, value for value, for `Problems.add`.
    """
    tidy = raw.str.replace_all(r"\s+", " ").str.strip_chars()
    return (clean != tidy).fill_null(value=False)


def _first_of_list(texts: pl.Series) -> pl.Series:
    value = pl.col(texts.name)
    listed = value.str.contains(r'^\[\s*(?:"|\])')
    first = pl.when(listed).then(value.str.json_path_match("$[0]")).otherwise(value)
    return texts.to_frame().select(first.alias(texts.name)).to_series()


def _unescape(texts: pl.Series) -> pl.Series:
    """One pass of HTML unescaping; Python sees each distinct entity once, never a row."""
    entities = texts.str.extract_all(_ENTITY).explode().drop_nulls().unique().sort().to_list()
    if not entities:
        return texts
    return texts.str.replace_many(entities, [html.unescape(entity) for entity in entities])


def read_price(price: pl.Expr, rule: Literal["midpoint", "plain"] = "midpoint") -> pl.Expr:
    """A text's price in dollars (Float64), or null where it is no price.

    `midpoint` reads `$1,299.00`, of a range `$10.00 - $20.00` the middle, and of `from $3` the lowest, which is
    what the product can be had for; `plain` reads only `$9.99`.
    """
    if rule == "plain":
        return price.str.extract(_PLAIN_PRICE).cast(pl.Float64)
    low, high = (
        price.str.extract(_PRICE, group).str.replace_all(",", "").cast(pl.Float64, strict=False) for group in (1, 2)
    )
    return pl.mean_horizontal(low, high)


def is_range(price: pl.Expr) -> pl.Expr:
    """Whether a text is a range of prices, such as `$10.00 - $20.00`; never null."""
    return price.str.extract(_PRICE, 2).is_not_null()


def states_price(price: pl.Expr) -> pl.Expr:
    """Whether a text means to state a price: it is neither null nor blank, nor a dash or `None`; never null."""
    return ~price.str.contains(_NO_PRICE).fill_null(value=True)


def price_text(price: pl.Expr) -> pl.Expr:
    """A price in dollars, a number, as prompts show it: `9.99$`; null stays null."""
    cents = (price * 100).round().cast(pl.Int64)
    return pl.format("{}.{}$", cents // 100, (cents % 100).cast(pl.String).str.zfill(2))
