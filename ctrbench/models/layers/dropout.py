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
        if not self.training or not 0 < self.p < 1 or x.device.type != "cpu":
            return super().forward(x)
        dropped = min(round(self.p * _STEPS), _STEPS - 1)
        words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)  # four units each
        bits = words.view(torch.int16)[: x.numel()].view(x.shape)
        # by way of floats: a comparison into booleans, and booleans into factors, take three times as long
        factors = bits.to(torch.float32).ge_(dropped - _STEPS // 2).mul_(_STEPS / (_STEPS - dropped))
        return x * factors.to(x.dtype)
