"""A prompt that is too long loses its oldest history items, one after the other, and its beginning only then."""

import polars as pl
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from ctrbench.data.source import Prompt
from ctrbench.features import encode
from ctrbench.features.encode import Encoder
from ctrbench.features.prompt import render
from tests.toys import PROMPT, toy_items, toy_manifest, toy_rows

TITLES = toy_manifest().domains


def tokenizer(side: str = "left") -> PreTrainedTokenizerFast:
    """A token per character, between [CLS] and [SEP]."""
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    words = {token: index for index, token in enumerate([*special, *map(chr, range(32, 127))])}
    made = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="[PAD]", truncation_side=side)


def encoder(limit: int, prompt: Prompt = PROMPT, side: str = "left") -> Encoder:
    return Encoder(tokenizer(side), prompt, TITLES, toy_items(), limit)


def texts(made: encode.Encoded) -> list[str]:
    ends = made.lengths.cumsum()
    letters = ["", "^", "$", "?", *map(chr, range(32, 127))]
    return ["".join(letters[t] for t in made.values[end - n : end]) for n, end in zip(made.lengths, ends, strict=True)]


def rows_with_histories(count: int = 60) -> pl.DataFrame:
    """Histories of 0 to 9 items."""
    histories = [[f"i{(7 * n + k) % 40}" for k in range(n % 10)] for n in range(count)]
    return toy_rows(count).with_columns(history=pl.Series(histories, dtype=pl.List(pl.String)))


def plainly(rows: pl.DataFrame, limit: int, prompt: Prompt) -> list[tuple[str, str]]:
    """What each row's prompt becomes, one item after the other; and what it lost."""
    less = [rows.with_columns(pl.col("history").list.slice(lost)) for lost in range(10)]
    versions = zip(*(render(some, toy_items(), prompt, TITLES) for some in less), strict=True)
    made = []
    for texts, history in zip(versions, rows["history"], strict=True):
        for lost in range(len(history) + 1):
            if len(texts[lost]) + 2 <= limit:
                made.append((f"^{texts[lost]}$", "history" if lost else "nothing"))
                break
        else:
            made.append((f"^{texts[len(history)][-(limit - 2) :]}$", "beginning"))
    return made


@pytest.mark.parametrize("limit", [30, 58, 64, 75, 90, 110])
@pytest.mark.parametrize("empty", ["nothing", "no product at all so far"])
def test_prompts_are_shortened_as_a_loop_would(limit, empty):
    prompt, rows = PROMPT.model_copy(update={"history_empty": empty}), rows_with_histories()
    expected = plainly(rows, limit, prompt)
    made = encoder(limit, prompt)(rows)
    assert texts(made) == [text for text, _ in expected]
    lost = [what for _, what in expected]
    assert (made.shortened, made.cut) == (lost.count("history"), lost.count("beginning"))


def test_the_loop_above_meets_every_case():
    assert {what for _, what in plainly(rows_with_histories(), 64, PROMPT)} == {"nothing", "history", "beginning"}


def test_the_product_and_the_special_tokens_stay():
    made = encoder(26)(rows_with_histories())
    assert made.cut == 60
    whole = render(rows_with_histories(), toy_items(), PROMPT, TITLES)
    for text, full in zip(texts(made), whole, strict=True):
        assert text == f"^{full[-24:]}$"


def test_a_prompt_without_a_history_loses_its_beginning():
    prompt = Prompt(template="{history_of_all}{title} {brand}")
    rows = rows_with_histories().with_columns(history_of_all=pl.lit("x" * 50))
    made = encoder(20, prompt)(rows)
    assert made.lengths.tolist() == [20] * 60
    assert (made.shortened, made.cut) == (0, 60)


def test_a_tokenizer_that_cuts_the_end_cuts_the_end():
    rows = rows_with_histories()[:1]
    text = render(rows, toy_items(), PROMPT, TITLES).item()
    assert texts(encoder(20, side="right")(rows)) == [f"^{text[:18]}$"]


def test_a_prompt_of_just_the_limit_is_whole():
    rows = rows_with_histories()
    longest = int(encoder(1000)(rows).lengths.max())
    assert encoder(longest)(rows)[2:] == (0, 0)
    assert encoder(longest - 1)(rows)[2:] != (0, 0)


def test_only_prompts_that_are_too_long_are_made_again(monkeypatch):
    rows, made_of = rows_with_histories(), []
    lengths = encoder(1000)(rows).lengths
    limit = int(lengths.max()) - 1
    monkeypatch.setattr(encode, "render", lambda some, *rest: made_of.append(len(some)) or render(some, *rest))
    encoder(limit)(rows)
    assert made_of[0] == len(rows)
    assert max(made_of[1:]) == (lengths > limit).sum() < len(rows)


def test_a_row_without_a_history_list_has_an_empty_one():
    rows = toy_rows(3).with_columns(history=pl.lit(None, dtype=pl.List(pl.String)))
    assert all("nothing" in text for text in texts(encoder(1000)(rows)))
    assert encoder(26)(rows).cut == 3


def test_tokenisers_do_not_warn_of_prompts_that_are_shortened(caplog):
    made = encoder(64)
    made.tokenizer.model_max_length = 10
    made(rows_with_histories())
    assert not caplog.records
