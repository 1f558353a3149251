"""Tokens are made once, kept under what they depend on, and padded only to a batch's longest row."""

import pytest
import torch

from ctrbench.api import load_tokenizer
from ctrbench.errors import ConfigError, OutputError
from ctrbench.features import tokens
from ctrbench.features.prompt import render
from ctrbench.features.tokens import TextFeaturizer
from tests.toys import PROMPT, toy_items, toy_manifest, toy_rows


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CTRBENCH_CACHE", str(tmp_path))
    return tmp_path


def featurizer(**options) -> TextFeaturizer:
    made = TextFeaturizer(load_tokenizer("tiny-bert"), **options)
    return made.fit(toy_rows(5), toy_items(), toy_manifest())


def test_tokens_are_those_of_the_prompt(cache):
    rows = toy_rows(20, seed=2)
    ragged = featurizer()(rows, toy_items())["input_ids"]
    values, mask = ragged.take(torch.arange(20))
    tokenizer = load_tokenizer("tiny-bert")
    texts = [tokenizer.decode(row[keep]) for row, keep in zip(values, mask, strict=True)]
    assert texts == render(rows, toy_items(), PROMPT, toy_manifest().domains).to_list()


def test_the_second_call_does_not_tokenise(cache, monkeypatch):
    rows = toy_rows(20)
    first = featurizer()(rows, toy_items())["input_ids"]
    monkeypatch.setattr(tokens, "render", None)
    second = featurizer()(rows, toy_items())["input_ids"]
    assert torch.equal(first.values, second.values)


def test_a_tokenizer_that_was_used_before_finds_the_same_entry(cache):
    tokenizer = load_tokenizer("tiny-bert")
    for _ in range(2):
        made = TextFeaturizer(tokenizer).fit(toy_rows(5), toy_items(), toy_manifest())
        made(toy_rows(20), toy_items())
    assert len(list(cache.rglob("*.npy"))) == 2


def test_a_long_prompt_loses_its_start_not_the_product(cache):
    ragged = featurizer(max_length=20)(toy_rows(3), toy_items())["input_ids"]
    values, _ = ragged.take(torch.arange(3))
    whole = render(toy_rows(3), toy_items(), PROMPT, toy_manifest().domains).to_list()
    assert [load_tokenizer("tiny-bert").decode(row) for row in values] == [text[-20:] for text in whole]


@pytest.mark.parametrize(
    "other",
    [
        lambda: featurizer(max_length=20),
        lambda: featurizer(prompt=PROMPT.model_copy(update={"missing": "?"})),
        lambda: TextFeaturizer(load_tokenizer("tiny-bert")).fit(
            toy_rows(5), toy_items(), toy_manifest(fingerprint="e" * 64)
        ),
    ],
)
def test_another_length_template_or_dataset_is_another_cache_entry(cache, other):
    featurizer()(toy_rows(20), toy_items())
    count = len(list(cache.rglob("*.npy")))
    other()(toy_rows(20), toy_items())
    assert len(list(cache.rglob("*.npy"))) == 2 * count


def test_a_prompt_of_another_name_is_an_error():
    with pytest.raises(ConfigError, match=r"no prompt 'defualt'.*default"):
        TextFeaturizer(load_tokenizer("tiny-bert"), "defualt").fit(toy_rows(5), toy_items(), toy_manifest())


def test_nothing_half_written_is_left_when_writing_fails(cache, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tokens.np, "save", fail)
    with pytest.raises(OutputError, match="No space left"):
        featurizer()(toy_rows(20), toy_items())
    assert not [path for path in cache.rglob("*") if path.is_file()]
