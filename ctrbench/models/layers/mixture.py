"""Experts, and a mixture of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ctrbench.models.layers.mlp import mlp


class Experts(nn.ModuleList):
    """`count` MLPs of the same `sizes`, input first, on the same rows; each is `mlp(sizes, dropout)`."""

    def __init__(self, count: int, sizes: Sequence[int], dropout: float = 0.0) -> None:
        super().__init__(mlp(sizes, dropout) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        """(B, w) to all experts' outputs (B, E, h): w is the first of `sizes`, h the last, E the `count`."""
        return torch.stack([expert(x) for expert in self], dim=1)


def mixture(scores: Tensor, experts: Tensor) -> Tensor:
    """sum_i softmax(scores)_i E_i for each row: scores (B, E) and expert outputs (B, E, h) to (B, h)."""
    return torch.einsum("be,beh->bh", scores.softmax(-1), experts)
