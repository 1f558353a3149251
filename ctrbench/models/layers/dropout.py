"""Dropout whose masks cost little on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_STEPS = 2**16


class Dropout(nn.Dropout):
    """`nn.Dropout`, but on a CPU with masks from 16 random bits per unit instead of one Bernoulli draw.

    Bernoulli draws took half the time of an MLP. The rate is rounded to a multiple of 2^-16, and what is kept is scaled
    by that rate, so that the expected output is the input. Masks come from torch's generator.
    """

    def forward(self, x: Tensor) -> Tensor:
        """`x` of any shape; itself in eval mode."""
        if not self._is_cheap(x):
            return super().forward(x)
        return x * self._scaled(self._keep(x), x)

    def _is_cheap(self, x: Tensor) -> bool:
        return self.training and 0 < self.p < 1 and x.device.type == "cpu"

    def _keep(self, x: Tensor) -> Tensor:
        """True with probability 1 - p, in the shape of `x`."""
        words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)  # four units each
        return words.view(torch.int16)[: x.numel()].view(x.shape) >= self._dropped() - _STEPS // 2

    def _scaled(self, keep: Tensor, x: Tensor) -> Tensor:
        return keep.to(x.dtype).mul_(_STEPS / (_STEPS - self._dropped()))

    def _dropped(self) -> int:
        return round(self.p * _STEPS)


class ReluDropout(Dropout):
    """`Dropout` after ReLU, in one product."""

    def forward(self, x: Tensor) -> Tensor:
        """`x` of any shape; max(x, 0) in eval mode."""
        if not self._is_cheap(x):
            return super().forward(x.relu())
        return x * self._scaled(self._keep(x) & (x > 0), x)
