"""Prompts with less and less meaning, made of a dataset's own prompt: what Table V of the paper asks, of any data."""

from __future__ import annotations

import polars as pl

from ctrbench.data.source import Prompt
from ctrbench.data.templates import DOMAIN, HISTORY, INDEX, TITLE, placeholders
from ctrbench.errors import ConfigError

STRIPPED = {"names_and_ids": True, "ids_only": False}
"""Prompts that every dataset has, by name, and whether they name their values: `brand_77`, or `77`."""
_IDS = {"domain": DOMAIN, TITLE: DOMAIN, "user": f"user{INDEX}", "item": f"item{INDEX}"}


def stripped(name: str, prompt: Prompt, rows: pl.Schema, items: pl.DataFrame) -> tuple[Prompt, list[str]]:
    """The prompt `name` of `STRIPPED`, which shows what `prompt` shows, in its order; and what it leaves out.

    Domain, user, item and the text of items become their numbers (`INDEX`), the history those of its items; numbers
    stay. Text of rows has no number, and is left out; `ConfigError` where nothing else is shown. rows: the rows'
    columns and types.
    """
    kinds = {**items.schema, **rows}
    shown: dict[str, str] = {}
    left_out = []
    for column in placeholders(prompt.template):
        column = _IDS.get(column, column)
        if column not in rows and kinds.get(column) == pl.String:
            column = f"{column}{INDEX}"
        if isinstance(kinds.get(column), pl.String | pl.Categorical | pl.Enum):
            left_out.append(column)
        else:
            shown[column] = f"{{{column}}}" if column == HISTORY else _shown(name, column)
    if not shown:
        raise ConfigError(
            f"prompt '{name}' would be the same for all rows: prompt 'default' of this dataset shows "
            f"{', '.join(left_out) or 'no column'} alone, of which there are no numbers; give a template of your own"
        )
    return Prompt(
        template=", ".join(shown.values()) + ". ",
        history_item=_shown(name, f"item{INDEX}"),
        history_join=" & ",
        history_empty="",
        missing=prompt.missing,
    ), left_out


def _shown(name: str, column: str) -> str:
    return f"{column.removesuffix(INDEX)}_{{{column}}}" if STRIPPED[name] else f"{{{column}}}"
