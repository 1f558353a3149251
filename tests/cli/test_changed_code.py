"""`run` and `show` say of stored runs that their model's code has changed."""

from pathlib import Path

import pytest

from ctrbench.bench import records
from ctrbench.cli import main
from tests.cli.test_gone import TABLE
from tests.fakes import fake_world, make_record, register_models

ASKED = ("main.toml", "--models", "multi")
SENTENCE = "The code of multi has changed since its stored runs were made, and its version has not: raise `version`"


def execute(planned, data, results, watch):
    record = make_record(planned, {}, provenance={"code": "of then"})
    records.save(results, record)
    return record


@pytest.fixture(autouse=True)
def _ready(monkeypatch, tmp_path):
    fake_world(monkeypatch, tmp_path, execute)
    Path("main.toml").write_text(TABLE)
    register_models(monkeypatch)


def test_run_says_so_of_runs_that_were_there(capsys, caplog):
    assert main(["run", *ASKED]) == 0
    assert SENTENCE not in caplog.text
    capsys.readouterr()
    assert main(["run", *ASKED]) == 0
    assert caplog.text.count(SENTENCE) == 1
    assert SENTENCE in " ".join(capsys.readouterr().out.split())


def test_show_says_so_below_the_table(capsys):
    assert main(["run", *ASKED]) == 0
    capsys.readouterr()
    assert main(["show", *ASKED]) == 0
    assert SENTENCE in " ".join(capsys.readouterr().out.split())
