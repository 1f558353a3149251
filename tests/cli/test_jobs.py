"""Several tables in one command: shared runs once, options where they fit, and one table's fault leaves the others."""

import json
from pathlib import Path

import pytest

from ctrbench.bench import records
from ctrbench.bench.estimate import Estimate
from ctrbench.cli import main
from ctrbench.errors import BackboneError, ConfigError, DataError
from tests.fakes import FakeData, make_record, register_models

MAIN = """
schema = 1
title = "Main"
kind = "main"
domains = ["fashion", "gift_cards"]
models = ["single", "multi", "language"]
[profiles.demo]
dataset = "fake"
[profiles.paper]
dataset = "fake"
gpu = "A100x2"
"""
UNSEEN = """
schema = 1
extends = "main"
title = "Unseen"
kind = "zero_shot"
models = ["multi", "language"]
targets = ["all_beauty"]
"""
OTHER = """
schema = 1
extends = "main"
title = "Other"
kind = "main"
models = ["other"]
options = { domain_by = "genre" }
[variants.other]
model = "multi"
config = { dim = 16 }
"""


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """Three tables, the last on data of its own; a dataset of four domains; an executor that trains nothing."""
    monkeypatch.chdir(tmp_path)
    register_models(monkeypatch)
    for name, text in (("main", MAIN), ("unseen", UNSEEN), ("other", OTHER)):
        Path(f"{name}.toml").write_text(text)
    opened = []

    def open_dataset(name, options=None, progress=None):
        opened.append(options)
        if options:
            return FakeData(fingerprint="0" * 64)
        return FakeData()

    monkeypatch.setattr("ctrbench.data.resolve.open_dataset", open_dataset)
    monkeypatch.setattr("ctrbench.bench.build.check", lambda spec, data: None)
    monkeypatch.setattr("ctrbench.bench.execute.execute", _execute)
    monkeypatch.setattr(
        "ctrbench.bench.estimate.estimate", lambda run, data: Estimate(10, 10, 100, 1e15, 2**20, 60.0, 0)
    )
    return opened


EXECUTED: list = []


def _execute(planned, data, results, watch):
    EXECUTED.append((planned.spec, data.fingerprint))
    record = make_record(planned, {}, dataset=records.DatasetFacts(name="fake", fingerprint=data.fingerprint))
    records.save(results, record)
    return record


@pytest.fixture(autouse=True)
def executed():
    EXECUTED.clear()
    return EXECUTED


ALL = ("main.toml", "unseen.toml", "other.toml")


def test_a_run_that_tables_share_is_done_once_with_all_that_they_want_of_it(tables, executed, capsys):
    assert main(["run", *ALL]) == 0
    assert len(executed) == len({spec.id for spec, _ in executed}) == 5  # single twice, multi, language, and other
    out, err = capsys.readouterr()
    assert [out.index(f"\n{title}") for title in ("Main", "Unseen", "Other")]
    assert out.startswith("\nMain")
    assert "[5/5]" in err
    executed.clear()
    assert main(["run", *ALL]) == 0
    assert executed == []


def test_a_table_with_options_of_its_own_is_on_its_own_data(tables, executed):
    main(["run", *ALL])
    assert tables == [{}, {"domain_by": "genre"}]  # opened once each
    assert {data for spec, data in executed if spec.config["dim"] == 16} == {"0" * 64}
    assert {data for spec, data in executed if spec.config["dim"] == 8} == {"f" * 64}
    assert all(spec.dataset == data for spec, data in executed)


def test_json_is_one_list_and_csv_is_refused_before_anything_is_run(tables, executed, capsys):
    assert main(["run", *ALL, "--format", "json", "-q"]) == 0
    assert [table["title"] for table in json.loads(capsys.readouterr().out)] == ["Main", "Unseen", "Other"]
    executed.clear()
    assert main(["run", *ALL, "--format", "csv", "--seeds", "1,2"]) == 2
    assert "--format csv holds one table" in capsys.readouterr().err
    assert executed == []


def test_models_and_settings_apply_to_the_tables_that_have_them(tables, executed, capsys):
    assert main(["run", *ALL, "--models", "language", "--set", "language.train.epochs=3"]) == 0
    assert [spec.model for spec, _ in executed] == ["language"]
    assert executed[0][0].train["epochs"] == 3
    out, err = capsys.readouterr()
    assert "left out: other" in err
    assert "Other" not in out.splitlines()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--models", "languag"], "--models: none of these tables has 'languag'. Did you mean 'language'?"),
        (["--set", "mult.train.epochs=3"], "none of these tables runs the model 'mult'. Did you mean 'multi'?"),
    ],
)
def test_an_option_that_fits_no_table_is_a_sentence(tables, executed, words, said, capsys):
    assert main(["run", *ALL, *words]) == 2
    assert said in capsys.readouterr().err
    assert executed == []


def test_a_setting_that_no_model_has_is_found_before_any_data_is_opened(tables, executed, capsys):
    assert main(["run", *ALL, "--set", "language.config.dimm=3"]) == 2
    assert "unknown key 'dimm' in --set language.config. Did you mean 'dim'?" in capsys.readouterr().err
    assert main(["run", "main.toml", "--set", "mult.config.dim=3"]) == 2
    assert "--set mult: this table does not run the model 'mult'. Did you mean 'multi'?" in capsys.readouterr().err
    assert main(["run", "main.toml", "--set", "multi.train.epochs=many"]) == 2
    assert tables == []
    assert executed == []


def test_before_the_first_run_it_is_said_what_is_to_be_done(tables, capsys):
    main(["run", "main.toml", "--models", "single"])
    capsys.readouterr()
    assert main(["run", *ALL]) == 0
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first == "3 tables, 5 runs (asked for 7 times, each done once): 2 stored, 3 to do"
    assert second.startswith("[3/5] multi on fashion")


def test_what_tables_share_is_checked_once(tables, monkeypatch):
    looked_at = []
    monkeypatch.setattr("ctrbench.bench.build.check", lambda spec, data: looked_at.append(spec.id))
    assert main(["run", *ALL]) == 0
    assert len(looked_at) == len(set(looked_at)) == 4  # single stands for its other domain


def test_a_target_is_for_the_tables_that_have_one(tables, executed, capsys):
    assert main(["run", "main.toml", "unseen.toml", "--target", "musical_instruments"]) == 0
    assert "Musical Instruments" in capsys.readouterr().out.partition("Unseen")[2]
    assert main(["run", "main.toml", "other.toml", "--target", "all_beauty"]) == 2


def test_a_table_that_cannot_be_planned_is_a_sentence_and_the_others_go_on(tables, executed, capsys, monkeypatch):
    bare = {"fashion": "Fashion"}
    monkeypatch.setattr("ctrbench.data.resolve.open_dataset", lambda name, options=None, progress=None: FakeData(bare))
    assert main(["run", "main.toml", "unseen.toml", "nothing.toml"]) == 2
    out, err = capsys.readouterr()
    assert "Main" in out
    assert "unseen: this dataset has one domain alone" in err
    assert "nothing.toml: there is no file" in err
    assert len(executed) == 3


def test_what_is_wrong_with_all_tables_is_said_once(tables, capsys, monkeypatch):
    def refused(name, options=None, progress=None):
        raise DataError("no such data")

    monkeypatch.setattr("ctrbench.data.resolve.open_dataset", refused)
    assert main(["run", *ALL]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "ctrbench: main, unseen, other: no such data\n"


def test_a_backbone_that_is_not_there_ends_the_tables_that_need_it(tables, executed, capsys, monkeypatch):
    def check(spec, data):
        if spec.config["dim"] == 16:
            raise BackboneError("no backbone")

    monkeypatch.setattr("ctrbench.bench.build.check", check)
    assert main(["run", *ALL]) == 2
    out, err = capsys.readouterr()
    assert "ctrbench: other: no backbone" in err
    assert "Unseen" in out
    assert len(executed) == 4


def test_show_prints_what_there_is_of_all(tables, executed, capsys):
    main(["run", "main.toml"])
    executed.clear()
    capsys.readouterr()
    assert main(["show", *ALL, "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
    assert executed == []


def test_check_prints_each_run_once_with_the_tables_that_use_it(tables, executed, capsys):
    assert main(["check", *ALL]) == 0
    out = capsys.readouterr().out
    assert "main, unseen, other on fake, profile demo: 5 runs" in out
    assert "To do: 5 of 5 runs; steps 500, FLOPs 5.0e+15, time 5:00" in out
    (language,) = [line for line in out.splitlines() if line.startswith(" language")]
    assert "main, unseen" in language
    assert executed == []


def test_check_prints_tables_one_by_one(tables, capsys):
    assert main(["check", *ALL]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    titles = ["main: 4 runs", "unseen: 2 runs, all of them above", "other: 1 run"]
    assert [line for line in lines if line in titles] == titles


def test_check_names_the_row_that_does_not_fit_and_goes_on(tables, capsys, monkeypatch):
    def estimate(run, data):
        if run.spec.config["dim"] == 16:
            raise ConfigError("there is no brand")
        return Estimate(10, 10, 100, 1e15, 2**20, 60.0, 0)

    monkeypatch.setattr("ctrbench.bench.estimate.estimate", estimate)
    assert main(["check", *ALL]) == 2
    out, err = capsys.readouterr()
    assert "ctrbench: other: row 'other': there is no brand (--models runs other rows without it)" in err
    assert "main: 4 runs" in out
    assert "To do: 4 of 4 runs" in out


def test_check_counts_gpu_hours_on_the_gpu_that_is_named_or_that_of_the_profile(tables, capsys):
    assert main(["check", "main.toml", "--gpu", "T4"]) == 0
    assert "GPU-hours on T4," in capsys.readouterr().out
    assert main(["check", "main.toml", "--profile", "paper"]) == 0
    out = capsys.readouterr().out
    assert "GPU-hours on A100 (" in out
    assert "if 2 share each run" in out
    assert "35% are assumed" in out
    assert main(["check", "main.toml", "--gpu", "abacus"]) == 2


def test_all_is_every_registered_table(tables, capsys, monkeypatch):
    from ctrbench.bench import catalog

    found = catalog.Catalog({name: [(None, Path(f"{name}.toml"))] for name in ("main", "unseen")}, ["a broken plugin"])
    monkeypatch.setattr(catalog, "survey", lambda: found)
    assert main(["run", "all"]) == 2
    out, err = capsys.readouterr()
    assert out.count("Main") == 1
    assert "Unseen" in out
    assert "a broken plugin" in err
