"""Entry points are found in metadata alone, quickly, and one distribution's faults hide no other's."""

import os
import subprocess
import sys

import pytest

from ctrbench import installed, registry
from ctrbench.benchmarks.speed.discovery import install, install_many

MANY = 200
TELLS = "import pathlib\npathlib.Path(__file__).with_suffix('.imported').touch()\n"


@pytest.fixture
def place(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def models(distribution):
    return [plugin.name for plugin in registry.plugins("models") if plugin.distribution == distribution]


def model(name):
    return {"models": {name: f"module:{name}"}}


def test_a_list_of_many_names_all_and_imports_none(tmp_path):
    install_many(tmp_path, MANY, TELLS)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "ctrbench", "list"], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    words = set(done.stdout.split())
    for kind in ("model", "source", "backbone", "table"):
        assert {f"{kind}_{number}" for number in range(MANY)} <= words
    assert not list(tmp_path.rglob("*.imported"))


def test_metadata_are_read_once_for_all_kinds_and_calls(place, monkeypatch):
    looks = []
    every = installed.distributions
    monkeypatch.setattr(installed, "distributions", lambda: looks.append(1) or every())
    install(place, "acme-ctr", model("acme"), {})
    for kind in registry.GROUPS:
        registry.plugins(kind)
        registry.plugins(kind)
    assert len(looks) == 1


def test_what_is_installed_or_removed_meanwhile_is_seen(place):
    assert models("late") == []
    install(place, "late", model("late"), {})
    assert models("late") == ["late"]
    for file in (place / "late-1.0.dist-info").iterdir():
        file.unlink()
    (place / "late-1.0.dist-info").rmdir()
    assert models("late") == []


def test_of_two_copies_the_first_on_the_path_counts(place, monkeypatch, tmp_path_factory):
    install(place, "acme-ctr", model("old"), {})
    first = tmp_path_factory.mktemp("first")
    install(first, "Acme_CTR", model("new"), {}, version="2.0")
    monkeypatch.syspath_prepend(str(first))
    assert models("Acme_CTR") == ["new"]
    assert models("acme-ctr") == []


def test_a_copy_without_plugins_hides_a_later_one_as_it_does_for_imports(place, monkeypatch, tmp_path_factory):
    install(place, "acme-ctr", model("old"), {})
    first = tmp_path_factory.mktemp("first")
    install(first, "acme-ctr", {}, {}, version="2.0")
    monkeypatch.syspath_prepend(str(first))
    assert models("acme-ctr") == []


def test_metadata_that_cannot_be_read_are_a_sentence_and_hide_nothing(place):
    install(place, "fine", model("fine"), {})
    install(place, "acme-ctr", model("acme"), {})
    (place / "acme_ctr-1.0.dist-info" / "entry_points.txt").write_text("[ctrbench.models]\nacme module:Model\n")
    assert models("fine") == ["fine"]
    (told,) = installed.faults()
    assert "acme-ctr 1.0" in told
    assert "`name = module:object`" in told
    (place / "acme_ctr-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe")
    os.utime(place)  # as an installer's new folder would
    assert models("fine") == ["fine"]
    assert "acme-ctr 1.0" in installed.faults()[0]


def test_distributions_without_a_name_or_version_are_named_as_such(place):
    install(place, "acme-ctr", model("acme"), {})
    (place / "acme_ctr-1.0.dist-info" / "METADATA").unlink()
    assert models(installed.UNKNOWN) == ["acme"]
