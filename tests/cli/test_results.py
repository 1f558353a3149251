"""`ctrbench results ls|rm|verify`, as a user types them."""

import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from ctrbench.bench import records
from ctrbench.bench.execute import execute
from ctrbench.bench.folders import RunFolder
from ctrbench.cli import main
from tests.bench.test_execute import planned
from tests.bench.test_turns import another_at
from tests.fakes import failed_record, make_plan, make_record, register_models


@pytest.fixture
def plan(monkeypatch, tmp_path):
    """Two runs that are done, one that failed, in ./results."""
    register_models(monkeypatch)
    monkeypatch.chdir(tmp_path)
    plan = make_plan()
    for run in plan.runs[:2]:
        records.save(tmp_path / "results", make_record(run, {}))
    records.save(tmp_path / "results", failed_record(plan.runs[2]))
    return plan


def left(tmp_path):
    return {path.parent.name for path in tmp_path.rglob("record.json")}


def test_ls_has_one_line_per_run(plan, capsys):
    assert main(["results", "ls"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    titles = ["run", "model", "domains", "seed", "dataset", "status", "mean test AUC", "ended (UTC)", "size"]
    assert re.split("  +", head) == [*titles, "ctrbench", "other settings than most"]
    assert {line.split()[0] for line in lines} == {run.spec.id for run in plan.runs[:3]}
    assert sum("failed" in line for line in lines) == 1
    assert sum("0.6000" in line for line in lines) == 2


def test_ls_tells_runs_of_one_model_apart(plan, capsys, tmp_path):
    spec = plan.runs[1].spec
    short = spec.model_copy(update={"limit": 200, "train": {**spec.train, "epochs": 1}})
    records.save(tmp_path / "results", make_record(replace(plan.runs[1], spec=short), {}))
    assert main(["results", "ls"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines[short.id].endswith("  limit=200, train.epochs=1")
    assert lines[spec.id].endswith("  -")  # of ctrbench's version, which these records do not tell
    assert main(["results", "ls", "--json"]) == 0
    told = {run["id"]: run for run in json.loads(capsys.readouterr().out)}
    assert told[short.id]["odd"] == {"limit": 200, "train.epochs": 1}
    assert told[spec.id]["train"]["epochs"] == spec.train["epochs"]


def test_ls_filters(plan, capsys):
    assert main(["results", "ls", "--status", "failed", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert (run["id"], run["error"], run["domains"]) == (plan.runs[2].spec.id, "it broke", ["gift_cards"])
    assert main(["results", "ls", "--status", "unfinished"]) == 0
    assert "no such run" in capsys.readouterr().out


def test_ls_shows_a_spoilt_record_among_the_others(plan, capsys, tmp_path):
    next(tmp_path.rglob("record.json")).write_text("{")
    assert main(["results", "ls", "--json"]) == 0
    (run,) = [run for run in json.loads(capsys.readouterr().out) if run["status"] == "unreadable"]
    assert "cannot be read" in run["error"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ls", "--status", "faild"], "unknown value 'faild'. Did you mean 'failed'"),
        (["ls", "--older-than", "soon"], "'soon' is no number of days"),
        (["ls", "--older-than", "nan"], "'nan' is no number of days"),
        (["ls", "--results", "nowhere"], "there is no folder nowhere"),
        (["rm"], "say which runs"),
        (["rm", "nosuch"], "there is no run 'nosuch'. Stored: 3; `ctrbench results ls` lists them."),
        (["rm", "--failed"], "add --yes"),
        (["verify", "--results", "nowhere"], "there is no folder nowhere"),
        (["list"], "list"),
        ([], "ACTION"),
    ],
)
def test_a_mistake_is_one_sentence(plan, capsys, tmp_path, words, said):
    assert main(["results", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert len(left(tmp_path)) == 3


@pytest.mark.parametrize("length", [8, 16])
def test_rm_knows_an_id_that_is_mistyped(plan, capsys, tmp_path, length):
    meant = plan.runs[0].spec.id
    mistyped = f"{meant[:3]}{'0' if meant[3] != '0' else '1'}{meant[4:length]}"
    assert main(["results", "rm", mistyped, "--yes"]) == 2
    assert capsys.readouterr().err.endswith(f"there is no run {mistyped!r}. Did you mean {meant!r}?\n")
    assert len(left(tmp_path)) == 3


def test_rm_removes_what_is_named(plan, capsys, tmp_path):
    assert main(["results", "rm", plan.runs[0].spec.id[:10], "--yes"]) == 0
    assert left(tmp_path) == {run.spec.id for run in plan.runs[1:3]}
    assert main(["results", "rm", "--failed", "-y", "-q"]) == 0
    assert left(tmp_path) == {plan.runs[1].spec.id}


@pytest.mark.parametrize(("answer", "count"), [("y\n", 0), ("n\n", 3), ("\n", 3), ("", 3)])
def test_rm_asks_where_somebody_is_there(plan, capsys, tmp_path, monkeypatch, answer, count):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert main(["results", "rm", "--model", "single"]) == 0
    assert len(left(tmp_path)) == count
    out = capsys.readouterr().out
    assert all(run.spec.id in out for run in plan.runs[:3])
    assert "Remove these 3 runs" in out


def test_rm_leaves_a_run_that_a_process_is_at(plan, capsys, tmp_path):
    folder = RunFolder.of(tmp_path / "results", "fake", plan.runs[0].spec)
    with another_at(folder):
        assert main(["results", "rm", "--model", "single", "--yes"]) == 1
    assert left(tmp_path) == {plan.runs[0].spec.id}
    out, err = capsys.readouterr()
    assert "Removed 2 of 3" in out
    assert f"a process is at run {plan.runs[0].spec.id}" in err


def test_verify_says_what_is_wrong_by_its_exit_code(toy, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    wanted = planned(toy, "deepfm", train={"epochs": 1})
    execute(wanted, toy, tmp_path / "results")
    assert main(["results", "verify"]) == 0
    assert capsys.readouterr().out == "1 run, 0 faults, 0 notes.\n"
    folder = RunFolder.of(tmp_path / "results", "toy", wanted.spec)
    shutil.copy(folder.record, folder.path / "record.json.bad-1")
    assert main(["results", "verify"]) == 0
    assert "note: " in capsys.readouterr().out
    folder.predictions.unlink()
    assert main(["results", "verify", "-q"]) == 1
    remedy = f"`ctrbench results rm {folder.path.name}`, then `ctrbench run` its table again"
    assert capsys.readouterr().out.splitlines() == [
        f"fault: {folder.predictions.relative_to(tmp_path)} is missing; {remedy}",
        "1 run, 1 fault, 1 note.",
    ]
    assert main(["results", "verify", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["runs"], told["faults"]) == (1, 1)
    assert {finding["level"] for finding in told["findings"]} == {"fault", "note"}


@pytest.mark.parametrize(
    ("action", "heavy"), [("ls", ("torch", "polars")), ("rm", ("torch", "polars")), ("verify", ("torch",))]
)
def test_nothing_heavy_is_imported_for_it(plan, tmp_path, action, heavy):
    words = {"ls": [], "rm": ["--failed", "--yes"], "verify": []}[action]
    program = (
        "import sys; from ctrbench.cli import main; main(sys.argv[1:]); "
        f"sys.exit(str([name for name in {heavy!r} if name in sys.modules] or ''))"
    )
    command = [sys.executable, "-c", program, "results", action, *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == ""
    assert done.stdout
