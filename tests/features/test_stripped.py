import polars as pl
import pytest

from ctrbench.data.source import Prompt
from ctrbench.errors import ConfigError
from ctrbench.features.prompt import render
from ctrbench.features.stripped import stripped

ITEMS = pl.DataFrame(
    {"item": ["a", "b", "c"], "item_index": [0, 1, 2], "title": ["x", "z", "y"], "price": [1.0, 2.0, 9.5]}
)
ROWS = pl.DataFrame(
    {
        "domain": ["music"],
        "user": ["u"],
        "user_index": [11],
        "item": ["c"],
        "history": [["a", "b"]],
        "age": [31],
        "gender": ["F"],
    }
)
TITLES = {"fashion": "Fashion", "music": "Music"}
FULL = Prompt(
    template="{domain_title}: user_{user_index} of {age}, {gender}, after {history}: "
    "{item_index}, '{title}' at {price}, {title}",
    history_item="'{title}'",
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names_and_ids", "domain_1, user_11, age_31, item_0 & item_1, item_2, title_1, price_9.5. "),
        ("ids_only", "1, 11, 31, 0 & 1, 2, 1, 9.5. "),
    ],
)
def test_what_the_full_prompt_shows_is_shown_as_numbers_in_its_order(name, text):
    prompt, left_out = stripped(name, FULL, ROWS.schema, ITEMS)
    assert render(ROWS, ITEMS, prompt, TITLES)[0] == text
    assert left_out == ["gender"]


def test_without_a_history_nothing_stands_in_its_place_as_in_the_papers():
    prompt, _ = stripped("ids_only", FULL, ROWS.schema, ITEMS)
    none = ROWS.with_columns(history=pl.lit([], dtype=pl.List(pl.String)))
    assert render(none, ITEMS, prompt, TITLES)[0] == "1, 11, 31, , 2, 1, 9.5. "


def test_ids_and_numbers_that_a_prompt_names_as_such_stay_what_they_are():
    prompt, left_out = stripped(
        "names_and_ids", Prompt(template="{user} {item} {title_index} {domain}"), ROWS.schema, ITEMS
    )
    assert prompt.template == "user_{user_index}, item_{item_index}, title_{title_index}, domain_{domain_index}. "
    assert left_out == []


def test_a_column_of_rows_stands_before_one_of_items_as_in_prompts():
    rows = ROWS.with_columns(title=pl.lit("a heading"))
    _, left_out = stripped("ids_only", Prompt(template="{title} {price}"), rows.schema, ITEMS)
    assert left_out == ["title"]


def test_text_that_the_data_have_a_number_of_is_shown_as_that():
    items = ITEMS.with_columns(title_index=pl.Series([70, 80, 90]))
    prompt, left_out = stripped("ids_only", Prompt(template="{title}"), ROWS.schema, items)
    assert (render(ROWS, items, prompt, TITLES)[0], left_out) == ("90. ", [])


def test_a_prompt_of_which_nothing_is_left_is_an_error_and_not_the_same_for_all_rows():
    with pytest.raises(ConfigError, match=r"'ids_only' would be the same for all rows: .* shows gender alone"):
        stripped("ids_only", Prompt(template="Who is {gender}?"), ROWS.schema, ITEMS)
