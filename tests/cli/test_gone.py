"""Models whose package was uninstalled, or that nobody ever brought: one sentence, and the other rows are shown."""

from pathlib import Path

import pytest

from ctrbench.bench import records
from ctrbench.cli import main
from tests.fakes import FAKES, entry, fake_world, make_record, register, register_models

TABLE = """
schema = 1
title = "Main"
kind = "main"
domains = ["fashion", "gift_cards"]
models = ["multi", "language"]
[profiles.demo]
dataset = "fake"
"""
ASKED = ("main.toml", "--models", "multi,single", "--format", "csv")
SENTENCE = (
    "ctrbench: main: the model 'single' is not installed, so its row is left out; its stored runs are of "
    "their-package 1.2: install that to see them\n"
)


def execute(planned, data, results, watch):
    plugin = {"distribution": "their-package", "version": "1.2", "entry_point": "theirs:Single"}
    record = make_record(planned, {}, provenance={"plugin": plugin})
    records.save(results, record)
    return record


@pytest.fixture(autouse=True)
def _uninstalled(monkeypatch, tmp_path, capsys):
    """Runs of two models, of which one is uninstalled then."""
    fake_world(monkeypatch, tmp_path, execute)
    Path("main.toml").write_text(TABLE)
    register_models(monkeypatch)
    assert main(["run", *ASKED]) == 0
    assert "single,fashion" in capsys.readouterr().out
    register(monkeypatch, *(entry("ctrbench.models", name, FAKES[name]) for name in ("multi", "language")))


def test_show_says_whose_the_model_was_and_shows_the_others(capsys):
    assert main(["show", *ASKED]) == 2
    out, err = capsys.readouterr()
    assert err == SENTENCE
    assert "multi,fashion" in out
    assert "single" not in out


def test_run_says_whose_the_model_was(capsys):
    assert main(["run", "main.toml", "--models", "single"]) == 2
    told = capsys.readouterr().err
    assert "unknown model 'single'." in told
    assert told.endswith("Stored runs of 'single' are of their-package 1.2: install that to run it.\n")


def test_settings_of_the_model_are_no_mistake(capsys):
    assert main(["show", *ASKED, "--set", "single.train.epochs=3"]) == 2
    assert capsys.readouterr().err == SENTENCE


def test_without_any_other_row_there_is_the_sentence_alone(capsys):
    assert main(["show", "main.toml", "--models", "single"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "their-package 1.2" in err


def test_a_damaged_record_hides_nothing(capsys):
    damaged, *_ = Path("results/fake/single").glob("*/record.json")
    damaged.write_text("{")
    assert main(["show", *ASKED]) == 2
    assert capsys.readouterr().err == SENTENCE


def test_a_name_that_nothing_is_stored_of_is_a_typo(capsys):
    assert main(["show", "main.toml", "--models", "multi,langauge"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "Did you mean 'language'?" in err


def test_run_asks_for_what_is_installed_before_it_trains(capsys):
    assert main(["run", *ASKED]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "unknown model 'single'" in err


MISSPELT = "row 'langauge' of main.toml is left out: unknown model 'langauge'. Did you mean 'language'?"


def test_a_typo_in_the_table_itself_leaves_the_rows_that_are_there(capsys):
    Path("main.toml").write_text(TABLE.replace('"language"', '"langauge"'))
    assert main(["show", "main.toml"]) == 2
    out, err = capsys.readouterr()
    assert err == f"ctrbench: main: {MISSPELT}\n"
    assert "\nmulti " in out
    assert "1 of the table's 2 rows; the models of others cannot be used (langauge)." in out


@pytest.mark.parametrize("verb", ["run", "check"])
def test_a_typo_is_found_before_anything_is_spent(verb, capsys):
    Path("main.toml").write_text(TABLE.replace('"language"', '"langauge"'))
    assert main([verb, "main.toml"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "main.toml, row 'langauge': unknown model 'langauge'. Did you mean 'language'?" in err


def test_report_writes_the_others(capsys):
    assert main(["report", "main.toml", "--models", "multi,single", "--out", "site"]) == 2
    assert SENTENCE in capsys.readouterr().err
    assert (Path("site") / "index.html").is_file()
