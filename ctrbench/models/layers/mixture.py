"""A mixture of experts."""

from __future__ import annotations

import torch
from torch import Tensor


def mixture(scores: Tensor, experts: Tensor) -> Tensor:
    """sum_i softmax(scores)_i E_i for each row: scores (B, E) and expert outputs (B, E, h) to (B, h)."""
    return torch.einsum("be,beh->bh", scores.softmax(-1), experts)
