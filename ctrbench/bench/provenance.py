"""Where a result comes from: versions, plugin and machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import torch

from ctrbench import registry
from ctrbench._version import __version__
from ctrbench.bench import catalog
from ctrbench.bench.code import code_of
from ctrbench.training.processes import team

if TYPE_CHECKING:
    from ctrbench.bench.plan import PlannedRun
    from ctrbench.data.store import PreparedDataset

_PACKAGES = ("torch", "transformers", "peft", "accelerate", "polars", "scikit-learn")


def provenance(
    planned: PlannedRun, data: PreparedDataset, backbones: Mapping[str, Mapping[str, str]], device: torch.device
) -> dict[str, Any]:
    """Versions of ctrbench, of every plugin that had a part in a run, and of the libraries; code; the machine.

    The dataset's plugin is the one that prepared it, in the version of then. `backbones`: as `resolved` gives them.
    """
    plugin = registry.find("models", planned.spec.model)
    return {
        "ctrbench": __version__,
        "plugin": plugin.facts,
        "code": code_of(plugin.load()),
        "dataset": {"name": data.manifest.registered, **data.manifest.brought_by},
        "backbones": {name: dict(facts) for name, facts in backbones.items()},
        "table": catalog.brought_by(planned.table) if planned.table is not None else None,
        "packages": {name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": team().count,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
