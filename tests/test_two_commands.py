"""Two commands at one table at once: the work is shared, and both print the same table."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

WORDS = [
    *("-m", "ctrbench", "run", "table3", "--models", "deepfm,dcn,mmoe,star", "--limit", "200", "--format", "json"),
    *(part for model in ("deepfm", "dcn", "mmoe", "star") for part in ("--set", f"{model}.train.epochs=2")),
]


def start(folder: Path, *words: str) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *WORDS, *words], cwd=folder, env=environment, **pipes)


@pytest.mark.parametrize("more", [[], ["--processes", "2"]], ids=["alone", "processes"])
def test_each_run_is_trained_once_and_both_have_all_of_them(tmp_path, more):
    commands = [start(tmp_path), start(tmp_path, *more)]
    ended = [(*command.communicate(timeout=500), command.returncode) for command in commands]
    for out, err, code in ended:
        assert code == 0, err
        rows = json.loads(out)["rows"]
        assert {domain["status"] for row in rows for domain in row["domains"].values()} == {"done"}
    assert ended[0][0] == ended[1][0]
    runs = len(list(tmp_path.rglob("record.json")))
    started = [err.count(": starts") for _, err, _ in ended]
    assert sum(started) == runs == 8
    assert not list(tmp_path.rglob("*.bad-*"))
