"""Tokens are made once, kept under what they depend on, and padded only to a batch's longest row."""

import polars as pl
import pytest
import torch

from ctrbench.api import load_tokenizer
from ctrbench.data.source import Prompt
from ctrbench.errors import ConfigError
from ctrbench.features import encode, tokens
from ctrbench.features.prompt import render
from ctrbench.features.tokens import TextFeaturizer
from tests.toys import PROMPT, toy_items, toy_manifest, toy_rows


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CTRBENCH_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def rendered(monkeypatch):
    """How many rows were rendered at a time."""
    counts = []
    monkeypatch.setattr(encode, "render", lambda rows, *rest: counts.append(len(rows)) or render(rows, *rest))
    return counts


def featurizer(tokenizer=None, **options) -> TextFeaturizer:
    made = TextFeaturizer(tokenizer or load_tokenizer("tiny-bert"), **options)
    return made.fit(toy_rows(5).lazy(), toy_items(), toy_manifest())


def changed(change):
    """The tokenizer after a change."""
    tokenizer = load_tokenizer("tiny-bert")
    change(tokenizer)
    return tokenizer


def entries(cache) -> int:
    return len(list(cache.rglob("facts.json")))


def test_tokens_are_those_of_the_prompt(cache):
    rows = toy_rows(20, seed=2)
    ragged = featurizer()(rows, toy_items())["input_ids"]
    values, mask = ragged.take(torch.arange(20))
    tokenizer = load_tokenizer("tiny-bert")
    texts = [tokenizer.decode(row[keep]) for row, keep in zip(values, mask, strict=True)]
    assert texts == render(rows, toy_items(), PROMPT, toy_manifest().domains).to_list()


def test_the_second_call_does_not_tokenise(cache, rendered):
    first = featurizer()(toy_rows(20), toy_items())["input_ids"]
    assert sum(rendered) == 20
    second = featurizer()(toy_rows(20), toy_items())["input_ids"]
    assert sum(rendered) == 20
    assert torch.equal(first.values, second.values)
    assert torch.equal(first.offsets, second.offsets)


def test_a_chunk_of_rows_is_in_memory_at_a_time(cache, rendered, monkeypatch):
    whole = featurizer()(toy_rows(50), toy_items())["input_ids"]
    rendered.clear()
    monkeypatch.setattr(tokens, "_CHUNK", 8)
    monkeypatch.setenv("CTRBENCH_CACHE", str(cache / "other"))
    parts = featurizer()(toy_rows(50), toy_items())["input_ids"]
    assert rendered == [8] * 6 + [2]
    assert torch.equal(whole.values, parts.values)
    assert torch.equal(whole.offsets, parts.offsets)


def test_a_split_without_rows_has_no_tokens(cache):
    ragged = featurizer()(toy_rows(0), toy_items())["input_ids"]
    assert len(ragged) == 0
    assert ragged.take(torch.arange(0))[0].shape == (0, 1)


def test_a_tokenizer_that_was_used_before_finds_the_same_entry(cache):
    tokenizer = load_tokenizer("tiny-bert")
    for _ in range(2):
        made = TextFeaturizer(tokenizer, max_length=20).fit(toy_rows(5).lazy(), toy_items(), toy_manifest())
        made(toy_rows(20), toy_items())
    assert entries(cache) == 1


@pytest.mark.parametrize(
    "other",
    [
        lambda: featurizer(max_length=20),
        lambda: featurizer(tokenizer=changed(lambda tokenizer: tokenizer.add_tokens("thing"))),
        lambda: featurizer(tokenizer=changed(lambda tokenizer: setattr(tokenizer, "truncation_side", "right"))),
        lambda: featurizer(prompt=PROMPT.model_copy(update={"missing": "?"})),
        lambda: TextFeaturizer(load_tokenizer("tiny-bert")).fit(
            toy_rows(5).lazy(), toy_items(), toy_manifest(fingerprint="e" * 64)
        ),
    ],
)
def test_another_length_tokenizer_template_or_dataset_is_another_entry(cache, other):
    featurizer()(toy_rows(20), toy_items())
    other()(toy_rows(20), toy_items())
    assert entries(cache) == 2


def test_other_rows_are_another_entry(cache):
    made = featurizer()
    made(toy_rows(20), toy_items())
    made(toy_rows(20, first=1), toy_items())
    made(toy_rows(19), toy_items())
    assert entries(cache) == 3


def test_new_rows_of_no_dataset_are_told_apart_by_what_they_hold(cache):
    made = TextFeaturizer(load_tokenizer("tiny-bert")).load_state(featurizer().state())
    lengths = [made(toy_rows(20), toy_items())["input_ids"].lengths.tolist()]
    lengths += [made(toy_rows(20).with_columns(domain=pl.lit("a domain")), toy_items())["input_ids"].lengths.tolist()]
    assert lengths[0] != lengths[1]
    titles = toy_items().with_columns(title=pl.lit("a title that is longer"))
    assert made(toy_rows(20), titles)["input_ids"].lengths.tolist() not in lengths


def test_a_prompt_of_another_name_is_an_error():
    with pytest.raises(ConfigError, match=r"no prompt 'defualt'.*default"):
        TextFeaturizer(load_tokenizer("tiny-bert"), "defualt").fit(toy_rows(5).lazy(), toy_items(), toy_manifest())


def test_a_prompt_without_meaning_is_made_of_the_datasets_own_and_says_what_it_leaves_out():
    rows = toy_rows(5).with_columns(gender=pl.lit("F"))
    manifest = toy_manifest(prompts={"default": Prompt(template="{gender} reads {title}")})
    made = TextFeaturizer(load_tokenizer("tiny-bert"), "ids_only").fit(rows.lazy(), toy_items(), manifest)
    assert made.state()["prompt"]["template"] == "{title_index}. "
    assert made.notes() == ("Its prompt leaves out gender: text that has no number",)
    with pytest.raises(ConfigError, match=r"no prompt 'id_only' in this dataset. Did you mean 'ids_only'"):
        TextFeaturizer(load_tokenizer("tiny-bert"), "id_only").fit(rows.lazy(), toy_items(), manifest)


def test_a_dataset_that_calls_a_prompt_of_its_own_by_such_a_name_keeps_it():
    manifest = toy_manifest(prompts={"ids_only": Prompt(template="{item_index}!")})
    made = TextFeaturizer(load_tokenizer("tiny-bert"), "ids_only").fit(toy_rows(5).lazy(), toy_items(), manifest)
    assert made.state()["prompt"]["template"] == "{item_index}!"


def test_a_template_that_the_data_cannot_fill_is_an_error_at_fit():
    manifest = toy_manifest(prompts={"default": Prompt(template="{titel}")})
    with pytest.raises(ConfigError, match=r"prompt 'default' names \{titel\}.*title"):
        TextFeaturizer(load_tokenizer("tiny-bert")).fit(toy_rows(1).lazy(), toy_items(), manifest)


def test_a_limit_that_leaves_no_room_is_an_error_at_fit(monkeypatch):
    tokenizer = load_tokenizer("tiny-bert")
    monkeypatch.setattr(tokenizer, "num_special_tokens_to_add", lambda: 2)
    with pytest.raises(ConfigError, match="max_length 2 leaves no room"):
        TextFeaturizer(tokenizer, max_length=2).fit(toy_rows(5).lazy(), toy_items(), toy_manifest())


def test_prompts_that_fit_need_no_note(cache):
    made = featurizer()
    made(toy_rows(20), toy_items())
    assert made.notes() == ()


def test_the_note_counts_what_prompts_lost_also_from_the_cache(cache):
    rows = toy_rows(50)
    others = rows.with_columns(pl.col("row_id") + 1000, history=pl.lit([], dtype=pl.List(pl.String)))
    whole, least = (featurizer()(some, toy_items())["input_ids"].lengths for some in (rows, others))
    limit = int(least.max()) - 1
    long, cut = int((whole > limit).sum()), int(((whole > limit) & (least > limit)).sum())
    assert 0 < cut < long < 50
    for _ in range(2):
        made = featurizer(max_length=limit)
        made(rows[:30], toy_items())
        made(rows[30:], toy_items())
        assert made.notes() == (
            f"Of 50 training and validation prompts, {long} exceeded {limit} tokens: "
            f"{long - cut} lost the oldest history items, {cut} lost the history and the beginning",
        )


def test_the_note_names_no_loss_that_did_not_happen(cache):
    made = featurizer(max_length=10, prompt=Prompt(template="the title is {title}"))
    made(toy_rows(5), toy_items())
    assert made.notes() == ("Of 5 training and validation prompts, 5 exceeded 10 tokens: 5 lost the beginning",)
