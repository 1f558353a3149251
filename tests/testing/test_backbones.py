"""The kit passes a backbone that keeps its promises, and catches one that breaks them: a small broken one for each."""

import socket
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from ctrbench.api import BackboneError, BackboneFiles, byte_tokenizer
from ctrbench.errors import PluginError
from ctrbench.testing import BackboneTests
from tests.backbones.saved import save, save_bin
from tests.fakes import entry, register

NAME = "small-bert"
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def bert(kind: type[BertModel] = BertModel, **changes: Any) -> Any:
    """A small encoder with weights of one seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = BertConfig(vocab_size=len(byte_tokenizer()), max_position_embeddings=256, **{**SIZES, **changes})
        return kind(config, add_pooling_layer=False)


def built(encoder: Any = bert, tokenizer: Any = byte_tokenizer) -> Any:
    """A resolver of a backbone that is built of these."""

    def resolve(name: str) -> BackboneFiles | None:
        return BackboneFiles(name, build=lambda: (encoder(), tokenizer())) if name == NAME else None

    return resolve


class TestBuilt(BackboneTests):
    backbone = built()
    names = (NAME,)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return save("tiny-bert", tmp_path_factory.mktemp("saved"))


def test_a_backbone_in_a_folder_passes(folder):
    tests = type("Tests", (BackboneTests,), {"backbone": in_folder(folder), "names": (NAME,)})()
    for test in PROMISES - {"test_files_on_a_hub_are_of_one_revision"}:
        getattr(tests, test)()


def in_folder(folder: str) -> Any:
    """A resolver of a folder, of which the architecture is known, too."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64}
    about = {"model_type": "bert", "vocab_size": 257, "max_position_embeddings": 512, **sizes}
    return lambda name: BackboneFiles(name, folder, architecture=about) if name == NAME else None


PROMISES = {name for name in dir(BackboneTests) if name.startswith("test_")}
CASES: list[tuple[str, Any, str, str]] = []


def breaks(test: str, words: str) -> Any:
    """Registers a broken resolver (or what makes one of a folder), the test that must catch it, and words it says."""

    def keep(resolve: Any) -> Any:
        CASES.append((resolve.__name__, resolve, f"test_{test}", words))
        return resolve

    return keep


def case(test: str, words: str, name: str, encoder: Any = bert, tokenizer: Any = byte_tokenizer) -> None:
    """The same for a backbone that is built."""
    CASES.append((name, built(encoder, tokenizer), f"test_{test}", words))


# names


@breaks("it_is_built_for_this_api", "'small-bert' of your package is built for version 99")
def later(name):
    return BackboneFiles(name, "a/b", COMMIT)


later.api_version = 99


@breaks("its_names_are_resolved", "no BackboneFiles")
def a_path(name):
    return f"folder/{name}"


@breaks("its_names_are_resolved", "files with the name 'bert'")
def another_name(name):
    return BackboneFiles("bert", build=lambda: (bert(), byte_tokenizer()))


@breaks("its_names_are_resolved", "does not name 'small-bert'")
def silent(name):
    raise BackboneError("install something")


@breaks("other_names_are_left_to_others", "became BackboneFiles")
def takes_every_name(name):
    return BackboneFiles(name, build=lambda: (bert(), byte_tokenizer()))


@breaks("other_names_are_left_to_others", "KeyError")
def looks_names_up(name):
    return {NAME: BackboneFiles(name, "a/b", COMMIT)}[name]


@breaks("resolving_reads_and_fetches_nothing", r"a server was asked: 127\.0\.0\.1$")
def asks(name):
    socket.getaddrinfo("127.0.0.1", 9)
    return BackboneFiles(name, "a/b", COMMIT)


@breaks("resolving_reads_and_fetches_nothing", r"model\.safetensors was opened")
def reads(name, folder):
    with open(f"{folder}/model.safetensors", "rb") as file:
        file.read(1)
    return BackboneFiles(name, folder)


@breaks("resolving_reads_and_fetches_nothing", "torch's random numbers changed")
def seeds(name):
    torch.manual_seed(99)
    return BackboneFiles(name, "a/b", COMMIT)


@breaks("files_on_a_hub_are_of_one_revision", "the revision of a/b is 'main'")
def of_a_branch(name):
    return BackboneFiles(name, "a/b", "main")


@breaks("weights_are_no_pickles", "neither .* nor .*, but .*pytorch_model.bin")
def pickled(name, folder):
    return BackboneFiles(name, folder)


@breaks("its_architecture_is_known_before_it_is_here", "num_hidden_layers of small-bert is 4 in its files")
def of_other_sizes(name, folder):
    found = in_folder(folder)(name)
    return replace(found, architecture={**found.architecture, "num_hidden_layers": 3})


# tokens and states


def other_tokenizer(text: str) -> Any:
    """One that gives every text the same tokens."""
    from tokenizers import normalizers

    tokenizer = byte_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace(_anything(), text)
    return tokenizer


def _anything() -> Any:
    from tokenizers import Regex

    return Regex(r"[\s\S]+")


case("every_text_has_tokens", "gives 'Red shoes.' no token", "no tokens", tokenizer=partial(other_tokenizer, ""))
case("every_text_has_tokens", "all texts the same tokens", "same tokens", tokenizer=partial(other_tokenizer, "a"))
case(
    "tokens_have_embeddings",
    "a token 256, and an embedding of 100 rows",
    "few embeddings",
    lambda: BertModel(BertConfig(vocab_size=100, **SIZES), add_pooling_layer=False),
)


class Infinite(BertModel):
    def forward(self, *inputs, **options):
        out = super().forward(*inputs, **options)
        out.hidden_states = tuple(state / 0 for state in out.hidden_states)
        return out


class Unmasked(BertModel):
    def forward(self, input_ids, attention_mask=None, **options):
        return super().forward(input_ids, attention_mask=torch.ones_like(input_ids), **options)


class FromTheEnd(BertModel):
    """Positions count from the last place of the batch."""

    def forward(self, input_ids, **options):
        places = torch.arange(input_ids.shape[1]).flip(0).expand_as(input_ids)
        return super().forward(input_ids, position_ids=places, **options)


class Unsupported(BertModel):
    supports_gradient_checkpointing = False


class Short(BertModel):
    def __init__(self, config, **options):
        super().__init__(config, **options)
        config.max_position_embeddings = 700


case("every_layer_has_states", "numbers that are not finite", "infinite", partial(bert, Infinite))
case("padding_changes_no_state", "of 'Red shoes.' in small-bert are others", "unmasked", partial(bert, Unmasked))
case("padding_changes_no_state", "beside longer rows", "from the end", partial(bert, FromTheEnd))
case(
    "loading_again_gives_the_same",
    "torch's random numbers changed",
    "random weights",
    lambda: BertModel(BertConfig(vocab_size=257, **SIZES), add_pooling_layer=False),
)
case("its_layers_can_be_trained", "does not support", "unsupported", partial(bert, Unsupported))
case("the_longest_input_is_known", "IndexError|RuntimeError", "short", partial(bert, Short))


@pytest.mark.parametrize(("name", "resolve", "test", "words"), CASES, ids=lambda value: value)
def test_a_broken_promise_is_caught(name, resolve, test, words, folder, tmp_path):
    """And the message names the backbone, says which promise it was, and how to mend it."""
    if resolve is pickled:
        folder = save("tiny-bert", tmp_path)
        save_bin(tmp_path, {})
    code = getattr(resolve, "__code__", None)
    if code is not None and "folder" in code.co_varnames[: code.co_argcount]:
        resolve = partial(resolve, folder=folder)
    tests = type("Broken", (BackboneTests,), {"backbone": staticmethod(resolve), "names": (NAME,)})()
    with pytest.raises(AssertionError, match=words) as caught:
        getattr(tests, test)()
    promise = " ".join(getattr(BackboneTests, test).__doc__.split())
    assert str(caught.value).startswith(f"{NAME} breaks a promise: {promise}\nTo mend it: ")


def test_every_promise_has_a_backbone_that_breaks_it():
    assert PROMISES - {test for _, _, test, _ in CASES} == set()


def test_what_is_to_be_installed_first_is_no_broken_promise():
    def resolve(name):
        if name == NAME:
            raise BackboneError(f"backbone '{name}' comes in a package that is not installed")

    tests = type("Tests", (BackboneTests,), {"backbone": staticmethod(resolve), "names": (NAME,)})()
    tests.test_its_names_are_resolved()
    with pytest.raises(pytest.skip.Exception, match="not installed"):
        tests.test_every_layer_has_states()


def test_a_class_of_tests_names_its_backbone_and_a_name():
    with pytest.raises(PluginError, match="TestNone names no backbone: give it a line such as `backbone = resolve`"):
        type("TestNone", (BackboneTests,), {})
    tests = type("TestNameless", (BackboneTests,), {"backbone": staticmethod(built())})()
    with pytest.raises(PluginError, match=r'TestNameless names nothing to resolve: .* `names = \("my-bert",\)`'):
        tests.test_its_names_are_resolved()


def test_a_plugin_that_cannot_be_imported_fails_its_own_tests_only(monkeypatch):
    register(monkeypatch, entry("ctrbench.backbones", "broken", "tests.no_such_module:resolve"))
    tests = type("Tests", (BackboneTests,), {"backbone": "broken"})()
    with pytest.raises(PluginError, match="cannot be imported"):
        tests.test_its_names_are_resolved()


def test_the_kit_leaves_global_random_states_as_they_were():
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    TestBuilt().test_its_layers_can_be_trained()
    TestBuilt().test_loading_again_gives_the_same()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
