"""What a prompt template names, and whether rows and items hold it."""

from __future__ import annotations

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
TITLE, DOMAIN = "domain_title", "domain_index"
_ANSWERS = {"label", TRUE_PROBABILITY}  # a prompt that tells what is to be predicted makes scores worthless


def check_prompt(
    prompt: Prompt, rows: pl.DataFrame | pl.LazyFrame, items: pl.DataFrame, name: str | None = None
) -> None:
    """Raise `ConfigError` for a template that is malformed, or that names what `rows` and `items` do not hold.

    A history is made of items, so `history_item` names their columns only. `name`: the prompt's, for the message.
    """
    whose = f"prompt '{name}'" if name else "the prompt"
    of_items = _shown(items) | {f"{column}{INDEX}" for column in numbered(items)}
    of_rows = of_items | _shown(rows) | {TITLE, DOMAIN} | ({HISTORY} & set(rows.collect_schema()))
    for key, known in (("template", of_rows), ("history_item", of_items)):
        for _, placeholder in parsed(getattr(prompt, key), f"the {key} of {whose}"):
            if placeholder is not None and placeholder not in known:
                raise ConfigError(
                    f"the {key} of {whose} names {{{placeholder}}}, which is no column that it can show;"
                    f" there are {', '.join(sorted(known))}"
                )


def parsed(template: str, where: str) -> list[tuple[str, str | None]]:
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


def placeholders(template: str) -> list[str]:
    """What a template names, each once, in its order."""
    return list(dict.fromkeys(name for _, name in parsed(template, "the prompt") if name is not None))


def numbered(items: pl.DataFrame) -> list[str]:
    """Columns of text that have no number yet."""
    texts = [name for name, kind in items.schema.items() if kind == pl.String]
    return [name for name in texts if f"{name}{INDEX}" not in items.columns]


def _shown(frame: pl.DataFrame | pl.LazyFrame) -> set[str]:
    """Columns that a prompt may show: no lists, and nothing of what is to be predicted."""
    return {name for name, kind in frame.collect_schema().items() if not kind.is_nested()} - _ANSWERS
