"""Training on rows that are kept on disk, in pools: bitwise training in memory, also where it goes on after a stop."""

import json
import os
import subprocess
import sys

import polars as pl
import pytest
import torch

from ctrbench.bench import scoring
from ctrbench.bench.execute import execute
from ctrbench.bench.folders import RunFolder
from ctrbench.features import loader, order, view
from ctrbench.features.mapped import MappedRows
from ctrbench.training.config import TrainConfig
from ctrbench.training.fit import fit
from tests.bench.test_execute import planned
from tests.toys import DOMAINS, build
from tests.training.test_fit import course, interrupt_at

CONFIG = TrainConfig(epochs=2, batch_size=16, lr=1e-2, patience=5)
STEPS = -(-300 // 16)


@pytest.fixture(autouse=True)
def small_pools(monkeypatch):
    """300 train rows are five pools."""
    monkeypatch.setattr(order, "POOL", 64)
    monkeypatch.setattr(order, "_STRETCH", 40)
    monkeypatch.setattr(order, "_BLOCK", 8)


@pytest.fixture
def on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("CTRBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(view, "IN_MEMORY", -1)
    monkeypatch.setattr(view, "SLICE", 37)


def setup(data, name):
    config = {"max_length": 24} if name == "uni_ctr" else {}
    model, featurizer = build(name, **config)
    return model, *(view.view(data, featurizer, split, DOMAINS) for split in ("train", "valid"))


def trained(data, name, **options):
    model, train, valid = setup(data, name)
    result = fit(model, train, valid, CONFIG, seed=3, **options)
    return course(result), result.steps, {key: value.clone() for key, value in model.state_dict().items()}


def assert_same(one, other):
    assert one[:2] == other[:2]
    assert all(torch.equal(one[2][key], value) for key, value in other[2].items())


@pytest.mark.parametrize("name", ["deepfm", "mmoe", "dien", "uni_ctr"])
def test_training_from_disk_is_bitwise_training_in_memory(toy, name, request):
    memory = trained(toy, name)
    request.getfixturevalue("on_disk")
    assert isinstance(setup(toy, name)[1], MappedRows)
    assert_same(trained(toy, name), memory)


@pytest.mark.usefixtures("on_disk")
@pytest.mark.parametrize("step", [1, 4, 5, 11, STEPS, STEPS + 9])
@pytest.mark.parametrize("name", ["deepfm", "uni_ctr"])
def test_stopped_in_any_pool_and_resumed_is_bitwise_uninterrupted(toy, name, step, tmp_path):
    whole, path = trained(toy, name), tmp_path / "checkpoint.safetensors"
    with pytest.raises(KeyboardInterrupt):
        trained(toy, name, checkpoint=path, watch=interrupt_at(step))
    assert path.exists()
    assert_same(trained(toy, name, checkpoint=path), whole)


@pytest.mark.usefixtures("on_disk")
def test_an_epoch_trains_on_every_row_once_and_tells_so(toy, monkeypatch):
    model, train, valid = setup(toy, "deepfm")
    seen, told = [], []
    plain = model.loss
    monkeypatch.setattr(model, "loss", lambda batch: seen.extend(batch.row_id.tolist()) or plain(batch))
    fit(model, train, valid, CONFIG, seed=0, watch=lambda p: p.stage == "train" and told.append(p.done))
    for epoch in range(2):
        assert sorted(seen[epoch * 300 : (epoch + 1) * 300]) == sorted(train.row_id.tolist())
        assert told[epoch * STEPS : (epoch + 1) * STEPS] == [*range(16, 300, 16), 300]


@pytest.mark.usefixtures("on_disk")
def test_in_memory_are_no_more_rows_than_a_pool(toy, monkeypatch):
    most = []
    plain = loader.Rows.__len__

    def batch(self, rows):
        most.append(0 if isinstance(self, MappedRows) else plain(self))
        return made(self, rows)

    made = loader.Rows.batch
    monkeypatch.setattr(loader.Rows, "batch", batch)
    model, train, valid = setup(toy, "deepfm")
    fit(model, train, valid, CONFIG.model_copy(update={"score_batch_size": 16}), seed=0)
    assert 0 < min(most) <= max(most) <= 64


@pytest.mark.parametrize("name", ["deepfm", "uni_ctr"])
def test_a_run_is_the_same_from_disk(toy, tmp_path, name, request):
    memory = execute(planned(toy, name), toy, tmp_path / "memory")
    request.getfixturevalue("on_disk")
    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setattr(type(toy), "rows", lambda *args: pytest.fail("whole splits are read"))
    monkeypatch.setattr(scoring, "SLICE", 37)
    disk = execute(planned(toy, name), toy, tmp_path / "disk")
    assert disk.status == "done", disk.error
    assert (disk.metrics, disk.rows, disk.notes) == (memory.metrics, memory.rows, memory.notes)
    one, other = (RunFolder.of(tmp_path / where, "toy", disk.spec) for where in ("memory", "disk"))
    assert one.features.read_bytes() == other.features.read_bytes()
    assert one.model.read_bytes() == other.model.read_bytes()
    assert pl.read_parquet(one.predictions).equals(pl.read_parquet(other.predictions))


CHILD = """
import json, sys
from ctrbench.features import order
order.POOL = 2**15
from ctrbench.benchmarks.speed.large import SMALL, one_epoch
from pathlib import Path
print(json.dumps(one_epoch(Path(sys.argv[1]), SMALL)))
"""


@pytest.mark.slow
def test_ten_times_the_rows_take_little_more_memory(tmp_path):
    from ctrbench.benchmarks.speed.large_data import alike, write_large

    peaks = []
    for count in (400_000, 4_000_000):
        folder = tmp_path / str(count)
        data = write_large(folder / "data", alike(count, users=20_000, items=5_000))
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CTRBENCH_CACHE": str(folder / "cache")}
        command = [sys.executable, "-c", CHILD, str(data.path)]
        out = subprocess.run(command, env=environment, check=True, capture_output=True, timeout=600).stdout
        peaks.append(json.loads(out)["peak"])
    assert peaks[1] < 1.2 * peaks[0]
