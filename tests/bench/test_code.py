"""A model whose code changed, and whose version did not, is told of."""

import importlib
import sys
from types import SimpleNamespace

import pytest

from ctrbench.bench.code import changed, code_of
from ctrbench.bench.records import Record
from ctrbench.report.findings import Findings
from ctrbench.report.layouts.captions import caption
from ctrbench_plugins.models.uni_ctr import UniCTR
from tests.fakes import FakeData, make_plan, make_record, register_models

MODEL = '"""Of a model."""\nfrom acme_code.parts import SIZE\n\nclass Model:\n    """Says."""\n\n    size = SIZE\n'
FILES = {"__init__.py": "", "model.py": MODEL, "parts.py": "from . import deep\nSIZE = 1\n", "deep.py": "A = 1\n"}
OTHERS = {"data.py": "ROWS = 1\n"}


@pytest.fixture
def code(monkeypatch, tmp_path):
    """The hash of `acme_code.model:Model`, with these files changed."""
    package = tmp_path / "acme_code"
    package.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))

    def hashed(**changes):
        for name, text in {**FILES, **OTHERS, **{f"{key}.py": text for key, text in changes.items()}}.items():
            (package / name).write_text(text, "utf-8")
        for name in [name for name in sys.modules if name.startswith("acme_code")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        return code_of(importlib.import_module("acme_code.model").Model)

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield hashed
    for name in [name for name in sys.modules if name.startswith("acme_code")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "change",
    [
        {"model": MODEL.replace("= SIZE", "= SIZE + 1")},
        {"parts": "from . import deep\nSIZE = 2\n"},
        {"deep": "A = 2\n"},
    ],
)
def test_what_a_model_is_made_of_counts(code, change):
    assert code() != code(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"model": MODEL.replace("Says.", "Says more.").replace("size =", "size  =  ") + "# a comment\n"},
        {"deep": '"""Of a depth."""\n\nA = 1\n"""What that is."""\n'},
        {"data": "ROWS = 2\n"},
    ],
)
def test_words_and_layout_and_other_modules_do_not_count(code, change):
    assert code() == code(**change)


def test_a_package_of_a_model_counts_as_a_whole(monkeypatch):
    import ctrbench.bench.code as module

    found = {}
    monkeypatch.setattr(module, "_told", lambda tree: found.setdefault(id(tree), "") or "")
    code_of.__wrapped__(UniCTR)
    assert len(found) == 4  # model, config, layers, networks


def test_a_class_without_a_source_has_no_code():
    assert code_of(type("Made", (), {"__module__": "nowhere"})) is None
    assert code_of(int) is None


def test_it_is_hashed_once(monkeypatch):
    code_of(UniCTR)
    monkeypatch.setattr("ctrbench.bench.code._with_imported", None)
    assert code_of(UniCTR)


def record(code, model="a", status="done"):
    provenance = {} if code is None else {"code": code}
    return Record.model_construct(status=status, provenance=provenance, spec=SimpleNamespace(model=model))


FACTS = [
    SimpleNamespace(model="a", code="1"),
    SimpleNamespace(model="b", code="1"),
    SimpleNamespace(model="c", code=None),
]


@pytest.mark.parametrize(
    "stored",
    [record("1"), record(None), record("2", status="failed"), record("2", "c"), record("2", "elsewhere"), None],
)
def test_same_unknown_and_failed_need_no_word(stored):
    assert changed(FACTS, [stored]) == []


def test_the_sentence_names_the_models_and_what_to_do():
    assert changed(FACTS, [record("2"), record("1", "b")]) == [
        "The code of a has changed since its stored runs were made, and its version has not: raise `version` in the "
        "class to train it anew, or remove these runs (`ctrbench results rm --model a`)."
    ]
    (several,) = changed(FACTS, [record("2", "b"), record("2"), record("3")])
    assert several.startswith("The code of a, b has changed since their stored runs were made")
    assert "`ctrbench results rm --model a`, `… --model b`" in several


def test_a_caption_says_so(monkeypatch, tmp_path):
    register_models(monkeypatch)
    plan, data = make_plan(seeds=[0]), FakeData()
    codes = {model.name: model.code for model in plan.models} | {"multi": "another"}
    records = [make_record(run, {}, provenance={"code": codes[run.row]}) for run in plan.runs]
    told = [line for line in caption(Findings(plan, records, tmp_path, data)) if "code" in line]
    assert [line.partition(" since ")[0] for line in told] == ["The code of multi has changed"]
