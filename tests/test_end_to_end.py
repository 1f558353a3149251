"""The commands, as a user types them: a table on the demo, again, interrupted, failed, zero-shot."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TINY_LM = [
    part
    for setting in ("config.backbone=tiny-bert", "config.max_length=32", "config.tower=[8]", "train.epochs=1")
    for part in ("--set", f"uni_ctr.{setting}")
]
TINY = ["--limit", "60", *TINY_LM, "--set", "deepfm.train.epochs=2", "--set", "mmoe.train.epochs=2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("work")


def start(folder: Path, *words: str, **options) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "140", **options}
    command = [sys.executable, "-m", "ctrbench", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, **pipes)


def ctrbench(folder: Path, *words: str, **options) -> tuple[int, str, str]:
    process = start(folder, *words, **options)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def test_table3_on_the_demo(folder):
    code, out, err = ctrbench(folder, "run", "table3", *TINY)
    assert code == 0, err
    for word in ("deepfm", "mmoe", "uni_ctr", "oracle", "synthetic: says nothing about real accuracy"):
        assert word in out
    assert "random weights" in out
    assert "--limit 60" in out


def test_the_same_command_again_trains_nothing(folder):
    code, out, err = ctrbench(folder, "run", "table3", *TINY, "--format", "json")
    assert code == 0
    assert "starts" not in err
    assert json.loads(out)


def test_show_prints_the_same_table(folder):
    ran = ctrbench(folder, "run", "table3", *TINY, "--format", "csv")[1]
    assert ctrbench(folder, "show", "table3", *TINY, "--format", "csv")[1] == ran


def test_zero_shot_scores_the_same_runs_and_trains_nothing(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("model.safetensors")}
    code, out, err = ctrbench(folder, "zero-shot", "--target", "all_beauty", *TINY)
    assert code == 0, err
    assert "All Beauty" in out
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("model.safetensors")} == before


@pytest.mark.real_data
def test_movielens_goes_through_the_same_tables(tmp_path):
    root = Path(__file__).parents[2] / "shared" / "data" / "ml-100k"
    if not root.is_dir():
        pytest.skip("MovieLens-100K may not be redistributed, and is not at ../shared/data/ml-100k")
    assert ctrbench(tmp_path, "data", "prepare", "movielens", "--root", str(root), "--out", "ml")[0] == 0
    code, out, err = ctrbench(tmp_path, "run", "table3", "--dataset", "ml", *TINY, "--format", "json")
    assert code == 0, err
    table = json.loads(out)
    for row in table["rows"]:
        assert set(row["domains"]) == {"under_25", "25_34", "35_and_over"}
        assert all(domain["published_auc"] is None for domain in row["domains"].values())
    code, out, err = ctrbench(tmp_path, "zero-shot", "--dataset", "ml", "--target", "under_25", *TINY)
    assert code == 0, err
    assert "Viewers under 25" in out


def test_check_prints_the_plan_and_trains_nothing(tmp_path):
    code, out, err = ctrbench(tmp_path, "check", "table3", *TINY)
    assert code == 0, err
    assert out.count("deepfm") >= 3
    assert not list(tmp_path.rglob("record.json"))


def test_one_failed_run_does_not_stop_the_others(folder):
    code, out, err = ctrbench(folder, "run", "table3", *TINY, "--set", "deepfm.train.lr=1e30")
    assert code == 1, err
    assert "failed" in out
    assert "try a lower learning rate" in " ".join(out.split())
    assert "Traceback" not in out + err


def test_ctrl_c_exits_with_130_and_the_same_command_resumes(folder, tmp_path):
    slow = ["--limit", "500", "--set", "uni_ctr.train.batch_size=2", "--set", "uni_ctr.train.epochs=3"]
    words = ["run", "table3", "--models", "uni_ctr", *TINY_LM, *slow]
    whole = json.loads(ctrbench(tmp_path, *words, "--results", "whole", "--format", "json")[1])
    process = start(tmp_path, *words, "--results", "cut")
    assert wait_for_training(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "resumes" in err
    assert "Traceback" not in err
    assert list((tmp_path / "cut").rglob("checkpoint.safetensors"))
    assert not list((tmp_path / "cut").rglob("record.json"))
    resumed = json.loads(ctrbench(tmp_path, *words, "--results", "cut", "--format", "json")[1])
    assert aucs(resumed) == aucs(whole)


def wait_for_training(process: subprocess.Popen) -> bool:
    """Read progress lines until one tells of an epoch."""
    assert process.stderr is not None
    end = time.monotonic() + 120
    while time.monotonic() < end:
        line = process.stderr.readline()
        if "epoch" in line:
            return True
        if not line and process.poll() is not None:
            return False
    return False


def aucs(table: dict) -> dict:
    return {row["model"]: {name: domain["auc"] for name, domain in row["domains"].items()} for row in table["rows"]}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "tabel3"], "table3"),
        (["run", "table3", "--models", "deepfn"], "deepfm"),
        (["run", "table3", "--domains", "fashoin"], "fashion"),
        (["run", "table3", "--dataset", "nowhere"], "nowhere"),
        (["run", "table3", "--set", "deepfm.train.epoch=3"], "epochs"),
        (["run", "table3", "--set", "deepfm.config.hiden=[3]"], "hidden"),
        (["run", "table3", "--sede", "1"], "--seeds"),
        (["run", "table3", "--results", "/proc/nothing"], "/proc/nothing"),
        (["run", "table3", "--set", "uni_ctr.config.backbone=nobody/nothing"], "nobody/nothing"),
        (["run", "table3", "--set", "uni_ctr.config.backbone=minilmm"], "minilm"),
        (["zero-shot", "--target", "all_beuaty"], "all_beauty"),
        (["rnu"], "run"),
        (["data", "prepare", "amazon2018", "--root", "nowhere", "--out", "x"], "nowhere"),
        (["data", "describe", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(folder, words, said):
    code, out, err = ctrbench(folder, *words)
    assert code == 2
    assert not out
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
