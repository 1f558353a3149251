"""Whose fault an error is, and which files are whose."""

import os
import sqlite3
import tempfile
import warnings
from pathlib import Path

import pytest
import torch

from ctrbench.backbones.files import resolve_backbone
from ctrbench.conduct.blame import Suspect, blaming
from ctrbench.conduct.state import kept
from ctrbench.conduct.writes import watched
from ctrbench.errors import ConfigError, NotFinite, PluginError
from ctrbench.files import whole_folder
from tests.fakes import entry, register

MINE = Suspect("models", "mine")
HERE = frozenset({"tests"})


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    register(
        monkeypatch,
        entry("ctrbench.models", "mine", "tests.fakes:Single"),
        entry("ctrbench.backbones", "tiny", "tests.misbehaving.test_conduct:odd"),
        entry("ctrbench.backbones", "broken", "tests.misbehaving.test_conduct:broken"),
    )


def odd(name):
    return "path"


def broken(name):
    raise KeyError(name)


def test_what_a_plugin_raises_names_it():
    told = r"^the model plugin 'mine' of fakedist 1\.0 failed in x \(ValueError: no\); "
    with pytest.raises(PluginError, match=told), blaming(MINE, "in x"):
        raise ValueError("no\nmore")


@pytest.mark.parametrize(
    "error", [ConfigError("said"), MemoryError(), OSError(28, "No space left on device"), KeyboardInterrupt()]
)
def test_what_is_no_plugins_fault_passes(error):
    with pytest.raises(type(error)) as caught, blaming(MINE, "in x"):
        raise error
    assert caught.value is error


def test_a_plugins_error_is_named_once():
    with pytest.raises(PluginError) as caught, blaming(MINE, "in x"), blaming(MINE, "in y"):
        raise PluginError("odd")
    assert str(caught.value) == "the model plugin 'mine' of fakedist 1.0: odd"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NotFinite("it became nan"), "the model plugin 'mine' of fakedist 1.0: it became nan"),
        (ConfigError("lower train.lr"), "lower train.lr"),
        (OSError("gone"), "the run of the model plugin 'mine' of fakedist 1.0 failed (OSError: gone)"),
    ],
)
def test_what_ends_a_run_is_named_where_it_may_be_the_plugins_fault(error, sentence):
    assert MINE.sentence(error) == sentence


@pytest.mark.parametrize(
    ("name", "fault"),
    [("broken", r"failed to resolve its name \(KeyError: 'broken'\)"), ("tiny", "resolved its name to a str")],
)
def test_a_resolvers_fault_names_it(name, fault):
    with pytest.raises(PluginError, match=rf"^the backbone plugin '{name}' of fakedist 1\.0 {fault}"):
        resolve_backbone(name)


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path


def test_files_of_a_plugin_are_seen_however_they_are_written(place):
    (place / "old").write_text("")
    with watched(HERE, ()) as written:
        (place / "a").write_text("a")
        os.close(os.open(place / "b", os.O_CREAT | os.O_WRONLY))
        (place / "c").mkdir()
        (place / "old").rename(place / "new")
        sqlite3.connect(place / "d").close()
        (place / "a").read_text()
    assert [path.name for path in written] == ["a", "b", "c", "old", "new", "d"]


def test_what_may_be_written_is_not_told(place):
    with watched(HERE, (place / "own",)) as written:
        (place / "own").mkdir()
        (place / "own" / "a").write_text("a")
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"a")
        Path(os.devnull).write_text("a")
    assert written == []


def test_caches_that_the_environment_names_may_be_written_but_not_ctrbenchs_own(place, monkeypatch):
    monkeypatch.setenv("ACME_CACHE_DIR", str(place / "acme"))
    monkeypatch.setenv("CTRBENCH_CACHE", str(place / "ours"))
    with watched(HERE, ()) as written:
        (place / "acme").mkdir()
        (place / "ours").mkdir()
    assert written == [place / "ours"]


def test_files_that_go_with_their_temporary_folder_are_not_told(place):
    with watched(HERE, ()) as written, tempfile.TemporaryDirectory() as folder:
        Path(folder, "a").write_text("a")
        Path(folder, "b").mkdir()
        Path(folder, "b", "c").write_text("c")
    assert written == []


def test_a_place_may_be_a_link(place):
    (place / "disk").mkdir()
    (place / "own").symlink_to("disk")
    with watched(HERE, (place / "own",)) as written:
        (place / "disk" / "a").write_text("a")
        (place / "own" / "b").write_text("b")
    assert written == []


def test_one_watch_in_another_ends_by_itself(place):
    with watched(HERE, ()) as outer:
        with watched(HERE, ()) as inner:
            pass
        (place / "a").write_text("a")
    assert (outer, inner) == ([place / "a"], [])


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ("ieee", lambda: setattr(torch.backends.cuda.matmul, "fp32_precision", "tf32")),
        ("tf32", lambda: None),
    ],
)
def test_torchs_precision_may_be_set_in_its_new_way(before, change):
    matmul = torch.backends.cuda.matmul
    former = matmul.fp32_precision
    try:
        matmul.fp32_precision = before
        with kept() as changed:
            change()
        assert matmul.fp32_precision == before
        assert changed == (["torch's precision of products"] if before == "ieee" else [])
    finally:
        matmul.fp32_precision = former


def test_errors_that_were_warnings_come_back():
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        before = list(warnings.filters)
        with kept() as changed:
            warnings.resetwarnings()
        assert [one for one in warnings.filters if one[0] == "error"] == [one for one in before if one[0] == "error"]
    assert changed == ["the filters of warnings"]


def test_a_plugin_that_leaves_python_is_named():
    with pytest.raises(PluginError, match=r"failed in x \(SystemExit: 3\)"), blaming(MINE, "in x"):
        raise SystemExit(3)


def test_an_error_of_the_machine_may_be_none_of_the_plugin():
    with pytest.raises(PluginError, match="its server answers"), blaming(MINE, "in x"):
        raise ConnectionError("no route")


def test_what_ctrbench_writes_for_a_plugin_is_not_the_plugins(place):
    with watched(HERE, ()) as written, whole_folder(place / "a", "free space"):
        pass
    assert (place / "a").is_dir()
    assert written == []


def test_what_others_write_is_not_the_plugins(place):
    with watched(frozenset({"acme"}), ()) as written:
        (place / "a").write_text("a")
    assert written == []
