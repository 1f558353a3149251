import errno
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ctrbench.bench.estimate import Estimate
from ctrbench.bench.spec import TableSpec
from ctrbench.cli import main
from tests.fakes import FakeData, fake_world

ROOT = Path(__file__).parents[2]
THREE = ("table3", "--models", "deepfm,mmoe,uni_ctr")


@pytest.fixture(autouse=True)
def _world(monkeypatch, tmp_path):
    fake_world(monkeypatch, tmp_path)


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


def test_metric_chooses_what_is_shown(capsys):
    assert main(["run", *THREE, "--metric", "logloss", "-q"]) == 0
    out = capsys.readouterr().out
    assert "logloss" in out
    assert "RelaImpr" not in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["table3", "--metric", "aucc"], "auc"),
        (["table2", "--metric", "gauc"], "--metric is for tables of kind main, zero_shot, new_domain; table2"),
    ],
)
def test_a_metric_that_is_none_or_does_not_fit_the_table_is_a_sentence(words, said, capsys):
    assert main(["show", *words]) == 2
    assert said in capsys.readouterr().err


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


def test_trackers_are_told_of_every_run_and_a_wrong_one_is_found_before_any(capsys, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    assert main(["run", *THREE, "--tracker", "tensorbord"]) == 2
    assert "no such tracker" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()
    assert main(["run", *THREE]) == 0
    assert main(["run", *THREE, "--tracker", "tensorboard"]) == 0
    told = tmp_path / "results" / "trackers" / "tensorboard" / "fake"
    assert sorted(path.parent.name for path in told.glob("*/*")) == ["deepfm"] * 3 + ["mmoe", "uni_ctr"]


def test_check_finds_a_faulty_setting(capsys):
    assert main(["check", "table3", "--set", "deepfm.train.epochs=many"]) == 2
    assert "epochs in --set deepfm.train: input should be a valid integer" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{}", '{"schema": 1, "id"'])
def test_a_spoilt_record_is_one_sentence_and_the_rest_of_the_table_shows(capsys, tmp_path, text):
    main(["run", *THREE])
    capsys.readouterr()
    next(tmp_path.glob("results/*/mmoe/*/record.json")).write_text(text)
    assert main(["show", *THREE]) == 0
    out, err = capsys.readouterr()
    assert out.count("failed¹") == 3
    assert out.count("0.6000") == 6
    assert out.count("record.json") == 1
    assert err == ""  # pytest takes what is logged
    assert main(["run", *THREE]) == 0


def test_a_spoilt_record_is_said_on_stderr_too(tmp_path):
    main(["run", *THREE, "-q"])
    file = next(tmp_path.glob("results/*/mmoe/*/record.json"))
    file.write_text("{")
    command = [sys.executable, "-c", "import tests.cli.test_verbs as t, pytest; t.show_alone()"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("record.json") == 1
    assert done.stderr.count("\n") == 1


def show_alone():
    """In a process of its own, where what is logged goes to stderr: the table in this folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ctrbench.data.resolve.open_dataset", lambda name, options=None, progress=None: FakeData())
        sys.exit(main(["show", *THREE]))


@pytest.fixture
def read_only(tmp_path, monkeypatch):
    """Nothing can be written below ./results, as on a disk that only reads; rights would not keep root from it."""

    def guarded(original):
        def checked(path, *rest, **options):
            if (tmp_path / "results") in (tmp_path / str(path)).parents or str(path).endswith("results"):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
            return original(path, *rest, **options)

        return checked

    def switch_on():
        for name in ("mkdir", "rename", "unlink", "replace", "rmdir"):
            monkeypatch.setattr(os, name, guarded(getattr(os, name)))
        make = tempfile.TemporaryFile
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: guarded(lambda path: make(dir=path))(dir))

    return switch_on


def test_from_a_disk_that_only_reads_a_whole_table_is_run_and_shown(capsys, read_only):
    main(["run", *THREE])
    expected = capsys.readouterr().out
    read_only()
    for verb in ("show", "run"):
        assert main([verb, *THREE]) == 0
        assert capsys.readouterr().out == expected


@pytest.mark.parametrize("more", [[], ["--processes", "2"]])
def test_on_a_disk_that_only_reads_a_missing_run_is_one_sentence_and_the_rest_shows(capsys, read_only, more):
    main(["run", "table3", "--models", "deepfm"])
    read_only()
    capsys.readouterr()
    assert main(["run", *THREE, *more]) == 2
    out, err = capsys.readouterr()
    assert "Read-only file system" in err
    assert "choose another folder that you may write with --results" in err
    assert err.count("\n") == 1
    assert out.count("0.6000") == 3
