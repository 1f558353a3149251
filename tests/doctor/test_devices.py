from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from ctrbench.doctor.devices import devices


@pytest.fixture
def gpu(monkeypatch):
    """A GPU that tells of itself; whether it computes, this machine decides."""
    for name, value in {
        "is_available": True,
        "device_count": 1,
        "mem_get_info": (6, 8),
        "get_device_properties": SimpleNamespace(name="A GPU", total_memory=8),
        "is_bf16_supported": True,
        "device": nullcontext(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda *given, value=value, **options: value)


def test_torch_tells_its_version_and_devices():
    found = devices()
    assert found["torch"] == torch.__version__
    assert len(found["found"]) == torch.cuda.device_count() + torch.backends.mps.is_available()


def test_a_gpu_is_told_with_what_it_has_and_whether_it_computes(gpu, monkeypatch):
    arange = torch.arange
    monkeypatch.setattr(torch, "arange", lambda end, device: arange(end, device="cpu"))
    (found,) = devices()["found"]
    assert found == {
        "device": "cuda:0",
        "name": "A GPU",
        "memory_bytes": 8,
        "free_bytes": 6,
        "bf16": True,
        "fault": "",
    }
    monkeypatch.setattr(torch, "arange", lambda end, device: arange(end + 1))
    assert devices()["found"][0]["fault"] == "it computes wrong sums"


def test_a_gpu_that_computes_nothing_is_told_with_the_reason(gpu, monkeypatch):
    def broken(end, device):
        raise RuntimeError("no kernel\nfor it")

    monkeypatch.setattr(torch, "arange", broken)
    assert devices()["found"][0]["fault"] == "RuntimeError: no kernel"


def test_a_gpu_that_nobody_may_use_is_told_beside_the_others(gpu, monkeypatch):
    def taken(*given, **options):
        raise RuntimeError("device is busy")

    monkeypatch.setattr(torch.cuda, "mem_get_info", taken)
    monkeypatch.setattr(torch, "arange", taken)
    (found,) = devices()["found"]
    assert (found["name"], found["memory_bytes"], found["free_bytes"], found["bf16"]) == ("A GPU", 8, 0, None)
    assert found["fault"] == "RuntimeError: device is busy"
