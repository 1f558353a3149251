"""One optimiser step, the same on every process."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ctrbench.errors import LostProcess
from ctrbench.features.batch import Batch
from ctrbench.models.contract import CTRModel
from ctrbench.training.config import TrainConfig
from ctrbench.training.exchange import Exchange
from ctrbench.training.failures import enough_memory
from ctrbench.training.processes import bound

_SETTING = "train.batch_size"


@dataclass
class Step:
    """Call it with a batch to move the weights.

    `complain(value, batch)` makes the error for a loss that is not finite. `sharded` says that the forward and backward
    passes of the processes wait for each other.
    """

    model: CTRModel
    optimizers: Sequence[Optimizer]
    schedulers: Sequence[LRScheduler]
    config: TrainConfig
    exchange: Exchange
    complain: Callable[[float, Batch], Exception]
    sharded: bool

    def __call__(
        self, coming: Iterator[Batch], share: float, asks: Callable[[], Sequence[bool]]
    ) -> tuple[float, list[bool]]:
        """The mean loss over the rows of all processes, and what any of them `asks`.

        The next batch of `coming` holds `share` of the rows. What fails on one process is raised on all.
        """
        error, batch, loss = None, None, torch.zeros(())
        self.exchange.begin()
        try:
            with enough_memory(self.model, None, _SETTING):
                batch = next(coming)
            with bound(self.sharded), enough_memory(self.model, batch, _SETTING):
                loss = self._backward(batch, share)
                self.exchange.look()
            if not math.isfinite(value := float(loss)):
                raise self.complain(value, batch)
        except LostProcess:
            raise
        except Exception as fault:
            error = fault
        asked, kinds = self.exchange.agree(error, asks())
        team = self.exchange.team
        # Where one process has no memory for the sum, the others wait for it: that cannot be agreed on.
        with bound(team.count > 1), enough_memory(self.model, batch, _SETTING):
            self.exchange.add_up(kinds, loss)
        with team.together(), enough_memory(self.model, batch, _SETTING):  # the first step makes the optimisers' states
            self._move()
        return float(loss), asked

    def _backward(self, batch: Batch, share: float) -> Tensor:
        """Make the gradients of this process's part of the mean loss; that part."""
        device = batch.label.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.config.precision == "bf16"):
            loss = self.model.loss(batch)
        part = loss if share == 1 else loss * share
        part.backward()
        return part.detach()

    def _move(self) -> None:
        if self.config.max_grad_norm is not None:
            parameters = self.exchange.parameters
            dense = [p for p in parameters if p.grad is not None and not p.grad.is_sparse]
            torch.nn.utils.clip_grad_norm_(dense, self.config.max_grad_norm)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        for scheduler in self.schedulers:
            scheduler.step()
