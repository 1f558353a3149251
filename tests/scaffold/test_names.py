"""One name becomes several, or a sentence on why it cannot."""

import pytest

from ctrbench.bench.catalog import survey
from ctrbench.errors import ConfigError
from ctrbench.scaffold.kinds import KINDS
from ctrbench.scaffold.names import LONGEST, Names
from tests.fakes import entry, register

MODEL = KINDS["model"]


@pytest.mark.parametrize("text", ["my-fm2", "my_fm2", "My-FM2"])
def test_dashes_underscores_and_capitals_are_the_same_name(text):
    assert Names.of(text, MODEL) == Names("my-fm2", "my_fm2", "MyFm2Model")


def test_a_class_is_not_called_a_model_twice():
    assert Names.of("my-model", MODEL).class_name == "MyModel"


@pytest.mark.parametrize(
    ("text", "legal"),
    [
        *[("my fm", "my-fm"), ("a.b", "a-b"), ("2tower", "tower"), ("-x", "x"), ("x--y", "x-y"), ("x_", "x")],
        *[("../x", "x"), ("", "my-plugin"), ("é", "my-plugin"), ("x" * (LONGEST + 1), "x" * LONGEST)],
    ],
)
def test_an_illegal_name_is_one_sentence_with_a_legal_one(text, legal):
    with pytest.raises(ConfigError, match=rf"is no name for a plugin: .*; such as {legal}$"):
        Names.of(text, MODEL)
    assert Names.of(legal, MODEL)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lambda", "'lambda' is a word of Python's own"),
        ("Random", "Python has a module 'random' of its own"),
        ("test", "Python has a module 'test' of its own"),
        ("torch", r"a distribution torch \S+ is installed already"),
        ("scikit_learn", r"a distribution scikit-learn \S+ is installed already"),
        ("sklearn", "a package 'sklearn' is installed already, with scikit-learn"),
    ],
)
def test_a_name_that_python_or_a_distribution_has_is_refused(text, said):
    with pytest.raises(ConfigError, match=said):
        Names.of(text, MODEL)


def test_a_name_that_a_plugin_of_the_kind_has_is_refused_however_it_is_written(monkeypatch):
    register(monkeypatch, entry("ctrbench.backbones", "tiny-one", "somewhere:resolve", "their-dist"))
    with pytest.raises(ConfigError, match=r"the backbone 'tiny-one' is there already, from their-dist 1\.0"):
        Names.of("tiny_one", KINDS["backbone"])
    assert Names.of("tiny_one", MODEL)


def test_a_name_that_a_table_has_is_refused_for_tables():
    taken = min(survey().found)
    with pytest.raises(ConfigError, match=rf"the table '{taken}' is there already, from ctrbench"):
        Names.of(taken, KINDS["tables"])
    with pytest.raises(ConfigError, match="'all' stands for every table on the command line; choose another name"):
        Names.of("all", KINDS["tables"])
