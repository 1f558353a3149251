"""Energy is what the machine's counters say, or unknown."""

import sys
from types import SimpleNamespace

import pytest
import torch

from ctrbench.bench import energy, execute as module
from ctrbench.bench.energy import Counter, measured, processors
from ctrbench.bench.execute import execute
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.records import Cost
from ctrbench.training.checkpoint import save_tensors
from ctrbench.training.course import FitResult
from tests.bench.test_execute import planned

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def powercap(tmp_path, monkeypatch):
    """Two packages with what is within them, one with memory of its own, and the whole platform, which holds all."""
    zones = {
        "intel-rapl:0": "package-0",
        "intel-rapl:0:0": "core",
        "intel-rapl:0:1": "dram",
        "intel-rapl:1": "package-1",
        "intel-rapl:2": "psys",
        "intel-rapl-mmio:0": "package-0",
    }
    for zone, name in zones.items():
        folder = tmp_path / zone
        folder.mkdir()
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text("1000000000\n")
        (folder / "energy_uj").write_text("900000000\n")
    (tmp_path / "intel-rapl").mkdir()
    monkeypatch.setattr(energy, "processors", lambda: processors(tmp_path))
    return tmp_path


def put(powercap, zone, joules):
    (powercap / zone / "energy_uj").write_text(f"{round(joules * 1e6)}\n")


def test_packages_and_memory_are_added_and_what_is_within_them_is_not(powercap):
    with measured(CPU) as found:
        for zone, joules in (("intel-rapl:0", 907), ("intel-rapl:0:1", 903), ("intel-rapl:1", 926)):
            put(powercap, zone, joules)
        for zone in ("intel-rapl:0:0", "intel-rapl:2", "intel-rapl-mmio:0"):
            put(powercap, zone, 999)
    assert found.wh == pytest.approx((7 + 3 + 26) / 3600)
    assert found.of == "cpu"


def test_a_counter_that_begins_again_goes_on(powercap):
    with measured(CPU) as found:
        put(powercap, "intel-rapl:1", 25)  # from 900 to 1000, and 25 more
    assert found.wh == pytest.approx(125 / 3600)


def test_a_counter_that_begins_again_twice_is_followed_by_looking_now_and_then():
    readings = iter([10.0, 90.0, 20.0, 95.0, 5.0])
    counter = Counter(lambda: next(readings), span=100.0)
    for _ in range(4):
        counter.look()
    assert counter.joules == 80 + 30 + 75 + 10


def test_long_work_is_looked_at_more_than_once(powercap, monkeypatch):
    looks = []
    monkeypatch.setattr(energy, "EVERY", 0.001)
    monkeypatch.setattr(Counter, "look", lambda self: looks.append(self))
    with measured(CPU):
        while len(looks) < 9:  # three counters, three times
            pass


def test_a_machine_without_counters_tells_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(energy, "processors", lambda: processors(tmp_path / "none"))
    with measured(CPU) as found:
        pass
    assert (found.wh, found.of) == (None, None)


def test_counters_that_may_not_be_read_tell_nothing(powercap, monkeypatch):
    def refused(file):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(energy, "_microjoules", refused)
    with measured(CPU) as found:
        pass
    assert found.wh is None


def test_a_counter_that_fails_on_the_way_makes_all_unknown(powercap):
    with measured(CPU) as found:
        (powercap / "intel-rapl:1" / "energy_uj").unlink()
    assert found.wh is None


def test_work_that_fails_fails_as_it_would(powercap):
    with pytest.raises(ZeroDivisionError), measured(CPU):
        1 / 0  # noqa: B018


@pytest.fixture
def nvml(monkeypatch):
    """One GPU, whose counter is in millijoules."""
    counter = SimpleNamespace(millijoules=5_000)
    module = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda name: {"GPU-abc": "handle"}[name],
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: {"handle": counter.millijoules}[handle],
    )
    monkeypatch.setitem(sys.modules, "pynvml", module)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="abc"))
    return counter


def test_a_gpus_own_counter_is_added_to_the_processors(powercap, nvml):
    with measured(CUDA) as found:
        nvml.millijoules += 72_000
        put(powercap, "intel-rapl:0", 918)
    assert found.joules == {"gpu": pytest.approx(72), "cpu": pytest.approx(18)}
    assert found.of == "cpu+gpu"
    assert found.wh == pytest.approx(0.025)


def test_a_gpu_tells_alone_where_the_processors_do_not(tmp_path, monkeypatch, nvml):
    monkeypatch.setattr(energy, "processors", lambda: processors(tmp_path))
    with measured(CUDA) as found:
        nvml.millijoules += 3_600_000
    assert (found.wh, found.of) == (pytest.approx(1.0), "gpu")


def test_processors_alone_say_nothing_of_work_on_a_gpu(powercap, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with measured(CUDA) as found:
        put(powercap, "intel-rapl:0", 918)
    assert found.wh is None


@pytest.fixture
def rising(monkeypatch):
    """A machine whose counter has 3.6 kJ more at every look: an hour's watt."""
    readings = iter(range(0, 10**9, 3600))
    monkeypatch.setattr(energy, "processors", lambda: [Counter(lambda: float(next(readings)))])


def test_a_run_records_the_energy_of_its_training(toy, tmp_path, rising):
    cost = execute(planned(toy), toy, tmp_path).cost
    assert cost.energy_wh == pytest.approx(1.0)
    assert cost.energy_of == "cpu"


def test_a_training_that_goes_on_from_a_checkpoint_was_measured_in_part_so_its_energy_is_unknown(
    toy, tmp_path, rising, monkeypatch
):
    run = planned(toy)
    checkpoint = RunFolder.of(tmp_path, "toy", run.spec).checkpoint
    checkpoint.parent.mkdir(parents=True)
    stopped = {"result": FitResult().model_dump(), "optim": [], "config": {}}
    save_tensors(checkpoint, {"where": torch.zeros(1)}, stopped)
    fit = module.fit
    monkeypatch.setattr(module, "fit", lambda *args, **more: checkpoint.unlink() or fit(*args, **more))
    record = execute(run, toy, tmp_path)
    assert record.status == "done", record.error
    assert (record.cost.energy_wh, record.cost.energy_of) == (None, None)


def test_microseconds_per_row_are_of_scoring():
    assert Cost(score_rows_per_s=2000.0).score_us_per_row == 500.0
    assert Cost().score_us_per_row is None
