import json

import pytest

from ctrbench.bench import records
from ctrbench.bench.estimate import Estimate
from ctrbench.bench.spec import TableSpec
from ctrbench.cli import main
from tests.fakes import FakeData, failed_record, make_record

THREE = ("table3", "--models", "deepfm,mmoe,uni_ctr")


@pytest.fixture(autouse=True)
def _world(monkeypatch, tmp_path):
    """Real tables and models, a dataset of four domains, and an executor that trains nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ctrbench.data.resolve.open_dataset", lambda name, options=None, progress=None: FakeData())
    monkeypatch.setattr("ctrbench.bench.build.check", lambda spec, data: None)
    monkeypatch.setattr("ctrbench.bench.execute.execute", _execute)


def _execute(planned, data, results, watch):
    failing = planned.spec.train["epochs"] == 13
    record = failed_record(planned) if failing else make_record(planned, {})
    records.save(results, record)
    return record


def test_run_trains_what_is_missing_and_prints_the_table(capsys):
    assert main(["run", "table3"]) == 0
    out, err = capsys.readouterr()
    assert TableSpec.find("table3").title in out
    assert "starts" in err
    assert main(["run", "table3"]) == 0
    again, err = capsys.readouterr()
    assert again == out
    assert "starts" not in err


@pytest.mark.parametrize("form", ["json", "csv", "md"])
def test_stdout_holds_nothing_but_the_table(form, capsys):
    assert main(["run", "table3", "--format", form]) == 0
    out, err = capsys.readouterr()
    first = {"json": "{", "csv": "model,domain,", "md": "**"}[form]
    assert out.startswith(first)
    assert err
    if form == "json":
        assert json.loads(out)["table"] == "table3"


def test_quiet_leaves_stderr_empty(capsys):
    assert main(["run", "table3", "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_a_failed_run_is_exit_code_1_and_the_table_is_printed(capsys):
    assert main(["run", "table3", "--set", "mmoe.train.epochs=13"]) == 1
    out = capsys.readouterr().out
    assert "failed¹" in out
    assert "mmoe on fashion, musical_instruments, gift_cards, seed 0, failed: it broke" in out


def test_show_trains_nothing_and_prints_what_there_is(capsys, tmp_path):
    assert main(["run", "table3", "--models", "deepfm"]) == 0
    capsys.readouterr()
    assert main(["show", *THREE, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    status = {row["model"]: row["domains"]["fashion"]["status"] for row in rows}
    assert status == {"deepfm": "done", "mmoe": "missing", "uni_ctr": "missing"}


def test_zero_shot_extends_the_runs_of_the_main_table(capsys, tmp_path):
    main(["run", "table3"])
    before = sorted(tmp_path.glob("results/*/*/*"))
    assert main(["zero-shot", "--target", "all_beauty"]) == 0
    assert sorted(tmp_path.glob("results/*/*/*")) == before
    assert "All Beauty" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "said"), [([], "no zero-shot table is installed"), (["a", "b"], "a, b: `ctrbench run NAME --target D`")]
)
def test_zero_shot_needs_one_table_of_its_kind(names, said, monkeypatch, capsys):
    monkeypatch.setattr("ctrbench.cli.zero_shot.of_kind", lambda kind: names)
    assert main(["zero-shot", "--target", "all_beauty"]) == 2
    assert said in capsys.readouterr().err


def test_check_prints_runs_costs_and_totals_and_trains_nothing(monkeypatch, capsys, tmp_path):
    guess = Estimate(1_000_000, 2000, 30, 1e9, 2**30, 60.0, 0)
    monkeypatch.setattr("ctrbench.bench.estimate.estimate", lambda planned, data: guess)
    assert main(["check", *THREE, "--limit", "40"]) == 0
    out = capsys.readouterr().out
    assert "5 runs" in out
    assert "To do: 5 of 5 runs; steps 150, FLOPs 5.0e+09, time 5:00, weights 1.0 GiB" in out
    assert not (tmp_path / "results").exists()
    main(["run", *THREE, "--limit", "40"])
    capsys.readouterr()
    main(["check", *THREE, "--limit", "40"])
    assert "every run is done" in capsys.readouterr().out


def test_check_says_what_it_cannot_know(monkeypatch, capsys):
    monkeypatch.setattr("ctrbench.bench.estimate.estimate", lambda planned, data: Estimate())
    assert main(["check", "table3"]) == 0
    out = capsys.readouterr().out
    assert "?" in out
    assert "time unknown" in out


def test_check_finds_a_faulty_setting(capsys):
    assert main(["check", "table3", "--set", "deepfm.train.epochs=many"]) == 2
    assert "epochs in --set deepfm.train: input should be a valid integer" in capsys.readouterr().err


def test_results_of_an_older_schema_are_one_sentence(capsys, tmp_path):
    main(["run", "table3"])
    capsys.readouterr()
    file = next(tmp_path.glob("results/*/*/*/record.json"))
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema": 0}))
    assert main(["run", "table3"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "has schema 0, and this ctrbench reads 1" in err
    assert err.count("\n") == 1
