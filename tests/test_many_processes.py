"""`--processes` and Accelerate's launcher, as a user types them: the same table, and no mess when something ends."""

import json
import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest
import torch
from safetensors.torch import load_file

from ctrbench.errors import DataError, LostProcess
from tests import many

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
ACCELERATE = ["-m", "accelerate.commands.launch", "--num_processes", "2"]
PLAIN = [
    part
    for setting in (
        *("uni_ctr.config.backbone=tiny-llama", "uni_ctr.config.max_length=32", "uni_ctr.config.tower=[8]"),
        *("uni_ctr.config.dropout=0", "uni_ctr.config.lora_dropout=0", "uni_ctr.train.epochs=1"),
        *("mmoe.config.dropout=0", "mmoe.train.epochs=2"),
    )
    for part in ("--set", setting)
]
TABLE = ["run", "table3", "--models", "mmoe,uni_ctr", "--limit", "60", *PLAIN, "--format", "json"]
LONG = [
    *("run", "table3", "--models", "uni_ctr", "--limit", "150", "--format", "json"),
    *("--set", "uni_ctr.config.backbone=tiny-bert", "--set", "uni_ctr.config.max_length=32"),
    *("--set", "uni_ctr.config.tower=[8]", "--set", "uni_ctr.train.batch_size=8"),
    *("--set", "uni_ctr.train.epochs=3", "--set", "uni_ctr.train.checkpoint_seconds=0"),
]


def start(folder: Path, *words: str) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *words], cwd=folder, env=environment, **pipes)


def run(folder: Path, *words: str) -> tuple[int, str, str]:
    process = start(folder, *words)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def logits(results: Path) -> np.ndarray:
    files = sorted(results.rglob("predictions.parquet"))
    frames = [pl.read_parquet(file).sort("split", "domain", "head", "row_id") for file in files]
    return np.concatenate([frame["logit"].to_numpy() for frame in frames])


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    code, _, err = run(folder, "-m", "ctrbench", *TABLE, "--results", "results")
    assert code == 0, err
    return folder / "results"


@pytest.mark.parametrize(
    ("launcher", "options"),
    [
        ([], ["--processes", "2"]),
        ([*ACCELERATE, "--multi_gpu", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"], []),
        ([*ACCELERATE, "--config_file", str(ROOT / "docs" / "fsdp.yaml")], []),
    ],
    ids=["ctrbench", "accelerate", "fsdp"],
)
def test_the_table_is_that_of_one_process(whole, tmp_path, launcher, options):
    code, out, err = run(tmp_path, *launcher, "-m", "ctrbench", *TABLE, *options, "--results", "results", "-v")
    assert code == 0, err
    assert len(json.loads(out)["rows"]) == 2  # one process alone has printed it
    assert err.count("2 processes share the weights of a LlamaDecoderLayer") == (4 if "fsdp" in str(launcher) else 0)
    assert err.count("starts") == err.count("done in") == 2
    np.testing.assert_allclose(logits(tmp_path / "results"), logits(whole), atol=1e-4)
    records = [json.loads(file.read_text()) for file in (tmp_path / "results").rglob("record.json")]
    assert [record["provenance"]["processes"] for record in records] == [2, 2]
    assert {record["id"] for record in records} == {path.parent.name for path in whole.rglob("record.json")}


def test_a_mistake_is_one_sentence(tmp_path):
    for words, said in (
        (["run", "table3", "--processes", "0"], "is no number from 1"),
        ([*TABLE, "--set", "uni_ctr.config.backbone=nobody/nothing", "--processes", "2"], "nobody/nothing"),
        ([*TABLE, "--results", f"{__file__}/x/y", "--processes", "2"], f"{__file__} is a file; name a folder"),
    ):
        code, out, err = run(tmp_path, "-m", "ctrbench", *words)
        assert (code, out) == (2, "")
        assert said in err
        assert err.count("ctrbench: ") == 1
        assert "Traceback" not in err


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ([["--seeds", "0,"], ["--seeds", "1,"]], "the processes were started with different options or data"),
        ([["--set", "uni_ctr.config.backbone=nobody/nothing"]] * 2, "nobody/nothing"),
    ],
    ids=["differ", "backbone"],
)
def test_a_mistake_under_a_launcher_ends_all_processes_in_order(tmp_path, own, said):
    """Connections that stay open at an error would abort Python at its exit, sometimes."""
    command = ["-m", "ctrbench", *TABLE, "--results", str(tmp_path)]
    started = many.start(2, *command, each=own)
    ended = [(*process.communicate(timeout=120), process.returncode) for process in started]
    assert [code for *_, code in ended] == [2, 2]
    assert sum(said in err for _, err, _ in ended) == 1
    whole = "".join(err for _, err, _ in ended)
    assert whole.count("ctrbench: ") == 1
    assert "terminate called" not in whole
    assert "Traceback" not in whole


def test_connections_are_closed_however_a_command_ends(monkeypatch):
    from ctrbench.cli import run

    left = []

    class Members:
        def agreed(self, error):
            return isinstance(error, DataError)

        def leave(self, *, alone):
            left.append(alone)

        @contextmanager
        def together(self):
            yield

    monkeypatch.setattr("ctrbench.training.processes.team", Members)
    monkeypatch.setattr(run, "_ready", lambda args: None)
    monkeypatch.setattr(run, "_compare", lambda found: None)
    for error in (DataError("agreed"), LostProcess("gone"), KeyboardInterrupt()):
        monkeypatch.setattr(run, "_run", lambda args, found, error=error: (_ for _ in ()).throw(error))
        with pytest.raises(type(error)):
            run._take_part(Namespace(processes=1))
    monkeypatch.setattr(run, "_run", lambda args, found: 0)
    assert run._take_part(Namespace(processes=1)) == 0
    assert left == [False, True, True, False]


def test_a_failed_run_is_recorded_and_the_others_go_on(tmp_path):
    words = [*TABLE, "--set", "mmoe.train.lr=1e30", "--processes", "2", "--results", "results"]
    code, out, err = run(tmp_path, "-m", "ctrbench", *words)
    assert code == 1, err
    rows = {row["model"]: row["domains"]["fashion"]["status"] for row in json.loads(out)["rows"]}
    assert (rows["mmoe"], rows["uni_ctr"]) == ("failed", "done")
    assert "lower learning rate" in " ".join(err.split())
    assert "Traceback" not in err


def training(process: subprocess.Popen, results: Path, seconds: float) -> list[psutil.Process]:
    """The two processes, once a checkpoint was written since now, and some time after."""
    begun, end = time.time(), time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()
        if any(path.stat().st_mtime > begun for path in results.rglob("checkpoint.safetensors")):
            time.sleep(seconds)
            return sorted(psutil.Process(process.pid).children(), key=lambda child: int(child.environ()["RANK"]))
        time.sleep(0.02)
    raise AssertionError("no checkpoint appeared")


def test_ended_in_any_way_it_leaves_no_process_and_a_state_that_the_same_command_goes_on_from(tmp_path):
    words = ["-m", "ctrbench", *LONG, "--processes", "2"]
    assert run(tmp_path, *words, "--results", "whole")[0] == 0
    results = tmp_path / "cut"
    words += ["--results", "cut"]

    process = start(tmp_path, *words)
    children = training(process, results, 0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.count("interrupted; the same command resumes") == 1
    assert_gone(children, results, err)

    process = start(tmp_path, *words)
    children = training(process, results, 0.3)
    children[1].kill()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "ctrbench: process 1 of 2 was killed (SIGKILL" in err
    assert "The same command goes on from the last checkpoint" in err
    assert err.count("ctrbench: ") == 1
    assert_gone(children, results, err)

    process = start(tmp_path, *words)
    children = training(process, results, 0.1)
    process.kill()
    process.communicate(timeout=60)
    assert_gone(children, results, "")

    assert run(tmp_path, *words)[0] == 0
    weights = [load_file(next((tmp_path / name).rglob("model.safetensors"))) for name in ("whole", "cut")]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    assert np.array_equal(logits(tmp_path / "whole"), logits(results))


def assert_gone(children: list[psutil.Process], results: Path, err: str) -> None:
    assert len(children) == 2
    assert not psutil.wait_procs(children, timeout=40)[1]
    assert list(results.rglob("checkpoint.safetensors"))
    assert not list(results.rglob("record.json"))
    assert "Traceback" not in err
