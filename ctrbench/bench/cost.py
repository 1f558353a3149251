"""What a run cost: parameters and peak memory of this process."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from torch import nn

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """All parameters, and those that are trained."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)


def reset_peak_memory() -> None:
    """Start a new peak where the system can (Linux); elsewhere the peak is the whole process's so far."""
    try:
        _RESET.write_text("5")
    except OSError:
        return


def peak_memory_mb() -> float:
    """Peak resident memory in MB (10^6 bytes), since the last reset."""
    try:
        lines = _STATUS.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
