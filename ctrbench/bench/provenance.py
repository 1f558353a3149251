"""Where a result comes from: versions, plugin and machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ctrbench import registry
from ctrbench._version import __version__
from ctrbench.training.processes import team

_PACKAGES = ("torch", "transformers", "peft", "accelerate", "polars", "scikit-learn")


def provenance(model: str, device: torch.device) -> dict[str, Any]:
    """Versions of ctrbench, the model's plugin and the libraries; the machine."""
    plugin = registry.find("models", model)
    return {
        "ctrbench": __version__,
        "plugin": {
            "distribution": plugin.distribution,
            "version": plugin.version,
            "entry_point": plugin.value,
        },
        "packages": {name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": team().count,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


def processor() -> str:
    """The CPU's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
