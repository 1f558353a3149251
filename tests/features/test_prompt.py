"""A prompt is the template filled per row, as a plain loop would fill it."""

import polars as pl
import pytest

from ctrbench.data.source import Prompt
from ctrbench.errors import ConfigError
from ctrbench.features.prompt import check_prompt, has_history, render, with_indices
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


def filled(template: str, items: pl.DataFrame, **parts: str) -> list[str]:
    prompt = Prompt(template=template, **parts)
    return render(toy_rows(3), items, prompt, TITLES).to_list()


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


@pytest.mark.parametrize("kind", [pl.Float32, pl.Float64])
@pytest.mark.parametrize("number", ["9.99", "0.1", "10.0", "1299.95"])
def test_a_number_has_the_digits_that_it_was_written_with(number, kind):
    items = toy_items().with_columns(price=pl.lit(float(number), dtype=kind))
    assert filled("{price}$", items) == [f"{number}$"] * 3


def test_a_number_that_is_none_is_missing():
    items = toy_items().with_columns(price=pl.lit(float("nan")))
    assert filled("{price}", items, missing="?") == ["?"] * 3


def test_columns_may_have_names_that_are_used_on_the_way():
    items = toy_items().with_columns(row=pl.lit("R"), text=pl.lit("T"))
    prompt = Prompt(template="{row}{text} {history}", history_item="{row}{text}{item}", history_empty="-")
    expected = ["RT " + (", ".join(f"RT{item}" for item in h) or "-") for h in toy_rows(30)["history"].to_list()]
    assert render(toy_rows(30), items, prompt, TITLES).to_list() == expected


def test_a_template_shows_the_history_only_where_it_says_so():
    assert has_history(PROMPT)
    assert not has_history(Prompt(template="{{history}} {title}"))


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        (
            "{colour}",
            r"the template of prompt 'short' names \{colour\}, .*there are brand, brand_index, domain, domain_index",
        ),
        ("{0}", r"names \{0\}"),
        ("{title.upper}", r"names \{title.upper\}"),
        ("{label}", r"names \{label\}"),
        ("{true_probability}", r"names \{true_probability\}"),
        ("{tags}", r"names \{tags\}"),
        ("{}", "empty placeholder"),
        ("{title!r}", r"gives \{title\} a format"),
        ("{price:.2f}", r"gives \{price\} a format"),
        ("{price:{brand}}", r"gives \{price\} a format"),
        ("{", "brace too few or too many"),
        ("title}", "brace too few or too many"),
    ],
)
def test_a_template_that_cannot_be_filled_is_one_sentence(template, fault):
    items = toy_items().with_columns(tags=pl.lit(["a"], dtype=pl.List(pl.String)))
    prompt = Prompt(template=template)
    with pytest.raises(ConfigError, match=fault):
        check_prompt(prompt, toy_rows(3), items, "short")
    with pytest.raises(ConfigError):
        render(toy_rows(3), items, prompt, TITLES)


def test_a_history_is_made_of_items_columns():
    with pytest.raises(
        ConfigError, match=r"the history_item of the prompt names \{user\}.*brand, brand_index, item, item_index"
    ):
        check_prompt(Prompt(template="{history}", history_item="{user}"), toy_rows(3), toy_items())


def test_braces_and_columns_of_rows_and_items_are_fine():
    template = "{{}} {domain_title} {domain} {user_index} {item} {title} {price} {history}"
    check_prompt(Prompt(template=template), toy_rows(0), toy_items())


def test_a_text_column_can_be_shown_as_the_number_of_its_value():
    items, rows = toy_items(), toy_rows(30)
    brands = sorted({brand for brand in items["brand"] if brand is not None})
    of = dict(zip(items["item"], items["brand"], strict=True))
    expected = ["?" if of[i] is None else str(brands.index(of[i])) for i in rows["item"].to_list()]
    prompt = Prompt(template="{brand_index}", missing="?")
    assert render(rows, items, prompt, TITLES).to_list() == expected
    assert render(rows, with_indices(items, prompt), prompt, TITLES).to_list() == expected


def test_a_number_is_of_all_items_be_they_shown_or_not():
    rows = toy_rows(30)
    prompt = Prompt(template="{title_index}")
    assert render(rows[:1], toy_items(), prompt, TITLES)[0] == render(rows, toy_items(), prompt, TITLES)[0]


def test_a_domain_can_be_shown_as_its_place():
    rows = toy_rows(30)
    expected = [str(list(TITLES).index(domain)) for domain in rows["domain"].to_list()]
    assert render(rows, toy_items(), Prompt(template="{domain_index}"), TITLES).to_list() == expected


def test_a_history_can_be_shown_as_numbers():
    rows, prompt = toy_rows(30), Prompt(template="{history}", history_item="{title_index}", history_empty="")
    titles = [f"thing {k}" for k in range(7)]
    index = {item: titles.index(title) for item, title in zip(*toy_items().select("item", "title"), strict=True)}
    expected = [", ".join(str(index[item]) for item in history) for history in rows["history"].to_list()]
    assert render(rows, toy_items(), prompt, TITLES).to_list() == expected
