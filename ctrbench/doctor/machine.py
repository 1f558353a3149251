"""The machine and its Python."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

import psutil

from ctrbench._version import API_VERSION, __version__
from ctrbench.bench.machine import processor


def environment() -> dict[str, Any]:
    """Versions and the machine, as JSON; `cores_usable` are those that this process may use."""
    memory, cores = psutil.virtual_memory(), os.cpu_count()
    return {
        "ctrbench": __version__,
        "api_version": API_VERSION,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "processor": processor(),
        "cores": cores,
        "cores_usable": len(os.sched_getaffinity(0)) if sys.platform == "linux" else cores,
        "memory_bytes": memory.total,
        "free_bytes": memory.available,
    }
