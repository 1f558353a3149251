"""kill -9 in the middle of training, and the same command again: bitwise what one go gives."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from ctrbench.bench.results import stored_runs
from ctrbench.bench.verify import Verifier
from ctrbench.errors import OutputError
from ctrbench.training.checkpoint import load_tensors

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]

WORDS = [
    *("run", "table3", "--models", "uni_ctr", "--limit", "150", "--quiet"),
    *("--set", "uni_ctr.config.backbone=tiny-bert", "--set", "uni_ctr.config.max_length=32"),
    *("--set", "uni_ctr.config.tower=[8]", "--set", "uni_ctr.train.batch_size=8"),
    *("--set", "uni_ctr.train.epochs=3", "--set", "uni_ctr.train.checkpoint_seconds=0"),
]


def start(folder: Path, results: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "ctrbench", *WORDS, "--results", results]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)


def steps(folder: Path) -> int:
    """After how many steps the newest checkpoint was written; 0 where there is none yet."""
    for path in folder.rglob("checkpoint.safetensors"):
        try:
            return int(load_tensors(path)[1]["result"]["steps"])
        except (OSError, OutputError):  # it was just replaced
            pass
    return 0


def test_killed_at_a_random_step_and_resumed_is_bitwise_uninterrupted(tmp_path):
    assert start(tmp_path, "whole").wait(timeout=300) == 0
    record = json.loads(next((tmp_path / "whole").rglob("record.json")).read_text())
    chosen = random.Random(seed := time.time_ns()).randint(1, record["cost"]["steps"] // 2)
    process = start(tmp_path, "cut")
    end = time.monotonic() + 120
    while steps(tmp_path / "cut") < chosen:
        assert process.poll() is None
        assert time.monotonic() < end
    process.kill()
    process.wait()
    said = f"killed after step {chosen}, by seed {seed}"
    assert not list((tmp_path / "cut").rglob("record.json")), f"{said}: it was over"
    assert start(tmp_path, "cut").wait(timeout=300) == 0
    for name in ("model.safetensors", "features.json"):
        files = [next((tmp_path / results).rglob(name)).read_bytes() for results in ("whole", "cut")]
        assert files[0] == files[1], f"{name}: {said}"
    scores = [pl.read_parquet(next((tmp_path / r).rglob("predictions.parquet"))) for r in ("whole", "cut")]
    assert scores[0].equals(scores[1]), said


def test_killed_at_any_write_nothing_is_half_and_the_next_call_ends_as_without(toy, tmp_path):
    """Training writes checkpoints, weights, features, predictions and the record; a new target the last two."""
    command = [sys.executable, "-m", "tests.killed", str(toy.path), str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    for case in cases:
        assert case["code"] == 0, f"{case['case']}: {done.stderr}"
        assert case["found"] == case["expected"], case["case"]
        assert [f for run in stored_runs(tmp_path / case["case"]) for f in Verifier().run(run)] == []
    counted = {name: sum(case["case"].startswith(f"{name} half") for case in cases) for name in ("train", "more")}
    assert counted["train"] >= 5
    assert counted["more"] == 2
