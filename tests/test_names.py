"""The framework names no plugin: what it does with one, it does with any."""

import re
from pathlib import Path
from typing import get_args

import pytest

from ctrbench import registry
from ctrbench.bench import catalog
from ctrbench.bench.spec import PROFILES, Kind

FRAMEWORK = Path(__file__).parents[1] / "ctrbench"
OWN = {"ctrbench", *PROFILES, *get_args(Kind)}
"""Words of the framework that are names of plugins, too: a profile is called `demo`, a kind of table `latency`."""
FILES = [path for path in sorted(FRAMEWORK.rglob("*")) if path.is_file() and path.suffix != ".pyc"]
TEXTS = {path: path.read_text("utf-8") for path in FILES}
NAMES = {(kind, name) for kind in registry.GROUPS for name in registry.names(kind)}
NAMES |= {("tables", name) for name in catalog.survey().found}


def named(name, text):
    """Numbers of the lines that hold a name as a word: in code or comments, in a text or as an identifier."""
    whole = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    return [number for number, line in enumerate(text.splitlines(), 1) if whole.search(line)]


@pytest.mark.parametrize(("kind", "name"), sorted(NAMES))
def test_no_file_of_the_framework_names_a_plugin(kind, name):
    if name in OWN:
        pytest.skip(f"{name!r} is a word of the framework's own")
    found = {path: named(name, text) for path, text in TEXTS.items()}
    places = [f"{path.relative_to(FRAMEWORK.parent)}:{line}" for path, lines in found.items() for line in lines]
    assert places == [], f"the {kind[:-1]} {name!r} is named: say what is so of any {kind[:-1]}, or ask its class"


def test_what_is_looked_for_is_found():
    code = 'if model == "star":  # deepfm-2\n    import star\n    starred = my_star\n'
    assert named("star", code) == [1, 2]
    assert named("deepfm", code) == []
    assert {("models", "star"), ("datasets", "demo"), ("backbones", "minilm"), ("tables", "table3")} <= NAMES
    assert {".py", ".jinja", ".css"} <= {path.suffix for path in FILES}
    assert len(TEXTS) > 100


def test_few_names_are_words_of_the_framework():
    assert {name for _, name in NAMES} & OWN == {"ctrbench", "demo", "latency"}
