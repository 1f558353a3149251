"""What is written is a whole package that is registered, well formed, and tried with what is installed."""

import subprocess
import sys

import pytest

from ctrbench import registry
from ctrbench._version import API_VERSION
from ctrbench.bench import catalog
from ctrbench.errors import OutputError, PluginError
from ctrbench.scaffold import surroundings as looked_up, write as module
from ctrbench.scaffold.kinds import KINDS
from ctrbench.scaffold.names import LONGEST
from ctrbench.scaffold.write import write
from tests.fakes import entry, register
from tests.stranger import as_installed

NAMES = ["fm", "two-words_and-2", "a2" * (LONGEST // 2)]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_registered_under_its_name_and_states_its_api(kind, tmp_path):
    folder = write("their-first", kind, tmp_path / "new").folder
    with as_installed(folder):
        plugin = registry.find(KINDS[kind].registered, "their_first")
        assert plugin.origin == "their-first 0.1.0"
        assert plugin.stated_api(plugin.load()) == API_VERSION
        if kind == "tables":
            assert catalog.locate("their_first").is_relative_to(folder)
    assert "their_first" not in registry.names(KINDS[kind].registered)


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_is_well_formed_whatever_the_name(kind, tmp_path):
    pytest.importorskip("ruff")
    for name in NAMES:
        write(name, kind, tmp_path / name)
    for words in (["check"], ["format", "--diff"]):
        command = [sys.executable, "-m", "ruff", *words, "--isolated", "--no-cache", "."]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_readme_and_the_next_steps_end_in_the_command_that_shows_it(kind, tmp_path):
    written = write("their-first", kind, tmp_path / "new")
    readme = (written.folder / "README.md").read_text("utf-8")
    install, test, trial = written.next_steps
    assert f"pip install -e {tmp_path / 'new'} pytest" in install
    assert test.endswith(f"pytest {tmp_path / 'new'}")
    assert trial.startswith("ctrbench run ")
    assert "their_first" in trial
    assert trial in readme


def test_without_a_place_it_is_a_folder_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written = write("Their_First", "model")
    assert str(written.folder) == "their-first"
    assert (tmp_path / "their-first" / "src" / "their_first" / "model.py").is_file()
    assert "./their-first" in written.next_steps[0], "pip would look for a distribution of that name"


@pytest.mark.parametrize("there", ["folder", "file", "link"])
def test_what_is_there_already_is_left_alone(there, tmp_path):
    place = tmp_path / "their-first"
    {"folder": place.mkdir, "file": place.touch, "link": lambda: place.symlink_to(tmp_path / "nowhere")}[there]()
    with pytest.raises(OutputError, match="is there already, and is left as it is; choose another folder with --out"):
        write("their-first", "model", place)
    assert [path.name for path in tmp_path.iterdir()] == ["their-first"]


def test_it_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    def fails(names, kind, around):
        return {"README.md": "text", "README.md/below-a-file": "text"}

    monkeypatch.setattr(module, "files", fails)
    with pytest.raises(OutputError, match="cannot write"):
        write("their-first", "model", tmp_path / "their-first")
    assert not list(tmp_path.iterdir())


def test_a_broken_backbone_does_not_stop_the_search_for_one_to_test_with(monkeypatch):
    tiny = entry("ctrbench.backbones", "tiny-bert", "ctrbench_plugins.backbones.tiny:resolve")
    register(monkeypatch, entry("ctrbench.backbones", "broken", "no_such_module:resolve"), tiny)
    assert looked_up.random_backbone() == "tiny-bert"


def test_without_a_table_to_try_it_in_there_is_a_sentence(monkeypatch, tmp_path):
    register(monkeypatch)
    with pytest.raises(PluginError, match="no main table with a language model is installed"):
        write("their-first", "model", tmp_path / "new")
    assert not (tmp_path / "new").exists()
