"""Optimisers from a model's parameter groups, and learning rates from the step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from ctrbench.errors import ConfigError
from ctrbench.spelling import suggest
from ctrbench.training.config import TrainConfig
from ctrbench.training.row_adam import RowAdam

_DENSE = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def build_optimizers(groups: Mapping[str, Sequence[nn.Parameter]], config: TrainConfig) -> list[Optimizer]:
    """Adam or AdamW for dense groups; for `sparse`, RowAdam or Adam, as `embeddings` says.

    RowAdam moves a row of a table only in steps whose batch holds it, at a cost that follows the batch. Adam goes on
    moving every row by its momentum, at a cost that follows the vocabulary.
    """
    for name in config.lr_groups:
        if name not in groups:
            raise ConfigError(f"lr_groups names no parameter group '{name}'.{suggest(name, groups)}")
    dense = [
        {"params": list(parameters), "lr": config.lr_groups.get(name, config.lr)}
        for name, parameters in groups.items()
        if name != "sparse" and parameters
    ]
    optimizers: list[Optimizer] = []
    if dense:
        kind, decay = _DENSE[config.optimizer], config.weight_decay
        optimizers.append(kind(dense, lr=config.lr, weight_decay=decay, fused=_can_fuse(dense)))
    if groups.get("sparse"):
        rate = config.lr_groups.get("sparse", config.lr)
        tables = list(groups["sparse"])
        sparse = config.embeddings == "sparse"
        optimizers.append(RowAdam(tables, lr=rate) if sparse else torch.optim.Adam(tables, lr=rate))
    return optimizers


def _can_fuse(groups: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all parameters are where torch has an optimiser step in one kernel; not so on `meta`."""
    return all(p.device.type in ("cpu", "cuda") for group in groups for p in group["params"])


@contextmanager
def dense_gradients(model: nn.Module, wanted: bool) -> Iterator[None]:
    """Within, where `wanted`, the gradients of embedding tables are dense, as Adam needs them."""
    tables = [module for module in model.modules() if wanted and isinstance(module, nn.Embedding) and module.sparse]
    for table in tables:
        table.sparse = False
    try:
        yield
    finally:
        for table in tables:
            table.sparse = True


def build_schedulers(
    optimizers: Sequence[Optimizer], config: TrainConfig, steps_per_epoch: int, step: int
) -> list[LambdaLR]:
    """Schedulers that stand at `step`; each group's rate moves between its own maximum and `lr_min`."""
    schedulers = []
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = group.get("initial_lr", group["lr"])
        floors = [min(config.lr_min / group["initial_lr"], 1.0) for group in optimizer.param_groups]
        lambdas: list[Callable[[int], float]] = [
            partial(rate_factor, config, steps_per_epoch, floor) for floor in floors
        ]
        schedulers.append(LambdaLR(optimizer, lambdas, last_epoch=step - 1))
    return schedulers


def rate_factor(config: TrainConfig, steps_per_epoch: int, floor: float, step: int) -> float:
    """The share of a group's maximal rate at `step` (0-based), between `floor` and 1.

    `cyclic` is CyclicLR's triangle (Smith, arXiv 1506.01186), stepped per batch: from the floor up and down again once
    every `cycle_epochs`. `linear` falls to the floor at the last step.
    """
    total = config.epochs * steps_per_epoch
    warm = int(config.warmup * total)
    if step < warm:
        return (step + 1) / warm
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "linear":
        height = 1.0 - (step - warm) / max(total - warm, 1)
    else:
        cycle = max(config.cycle_epochs * steps_per_epoch, 2.0)
        height = 1.0 - abs(((step - warm) % cycle) / cycle * 2.0 - 1.0)
    return floor + (1.0 - floor) * max(height, 0.0)
