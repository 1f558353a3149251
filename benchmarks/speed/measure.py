"""Training steps per second, and several sides measured in turns, so that a server's drift falls on all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from statistics import median
from typing import Any

import torch
from torch import Tensor

from ctrbench.features.batch import Batch

Rate = Callable[[int], float]
"""From the number of a turn to rows per second."""


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """As training does."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def train_rate(
    loss: Callable[[Batch], Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    batches: Iterable[Batch],
    device: torch.device,
    precision: str = "fp32",
) -> float:
    """Rows per second over whole training steps: making the batch, loss, gradients, optimisers."""
    rows, start = 0, time.perf_counter()
    for batch in batches:
        with autocast(device, precision):
            value = loss(batch)
        value.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        rows += len(batch)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return rows / (time.perf_counter() - start)


def in_turns(sides: Mapping[str, Rate], turns: int) -> dict[str, list[float]]:
    """Each side's rate in each turn."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(turns):
        for name, rate in sides.items():
            rates[name].append(rate(turn))
    return rates


def spread(values: Sequence[float], digits: int = 1) -> str:
    """The median, and the range where there are several."""
    middle, low, high = (f"{value:,.{digits}f}" for value in (median(values), min(values), max(values)))
    return f"{middle} ({low}-{high})" if len(values) > 1 else middle


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Turn by turn."""
    return spread([mine / other for mine, other in zip(ours, theirs, strict=True)])
