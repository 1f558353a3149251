"""What a run cost: time, energy, parameters, and peak memory of this process."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from torch import nn

from ctrbench.bench.energy import Energy
from ctrbench.bench.records import Cost
from ctrbench.training.course import FitResult

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


def cost_of(model: nn.Module, result: FitResult, energy: Energy) -> Cost:
    """What a training cost that has just ended in this process."""
    parameters, trained = count_parameters(model)
    return Cost(
        parameters=parameters,
        parameters_trained=trained,
        train_seconds=result.train_seconds,
        valid_seconds=result.valid_seconds,
        rows_per_s=result.rows_per_s,
        peak_memory_mb=peak_memory_mb(),
        energy_wh=energy.wh,
        energy_of=energy.of,
        epochs_run=len(result.epochs),
        best_epoch=result.best_epoch,
        steps=result.steps,
    )
