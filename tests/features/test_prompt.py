"""A prompt is the template filled per row, as a plain loop would fill it."""

import polars as pl
import pytest

from ctrbench.data.source import Prompt
from ctrbench.errors import ConfigError
from ctrbench.features.prompt import render
from tests.toys import PROMPT, toy_items, toy_manifest, toy_rows

TITLES = toy_manifest().domains


def plainly(row: dict, items: dict[str, dict], prompt: Prompt) -> str:
    def text(value: object) -> str:
        return prompt.missing if value is None or not str(value).strip() else str(value)

    history = prompt.history_join.join(
        prompt.history_item.format(title=text(items[item]["title"])) for item in row["history"]
    )
    values = {**items[row["item"]], **row, "domain_title": TITLES[row["domain"]]}
    return prompt.template.format(
        **{**{k: text(v) for k, v in values.items()}, "history": history or prompt.history_empty}
    )


def test_every_row_is_filled_as_a_loop_would():
    rows = toy_rows(60, seed=4)
    items = {item["item"]: item for item in toy_items().to_dicts()}
    expected = [plainly(row, items, PROMPT) for row in rows.to_dicts()]
    assert render(rows, toy_items(), PROMPT, TITLES).to_list() == expected
    assert any("nothing" in text for text in expected)
    assert any("unknown" in text for text in expected)


def test_braces_in_data_stay_data():
    items = toy_items().with_columns(title=pl.lit("a {brand} \\1 $0"))
    assert all("a {brand} \\1 $0" in text for text in render(toy_rows(3), items, PROMPT, TITLES))


def test_a_placeholder_without_a_column_is_named():
    with pytest.raises(ConfigError, match="colour"):
        render(toy_rows(3), toy_items(), Prompt(template="{colour}"), TITLES)
