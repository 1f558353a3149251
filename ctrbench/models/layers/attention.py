"""Weights over the items of histories of unequal length."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis where `mask` is True, zero elsewhere; all zero for a row without any True.

    scores: (..., H), in floating point; mask: bool, of the same shape or one that broadcasts to it.
    """
    lowest = torch.finfo(scores.dtype).min  # -inf would make NaN, and gradients of NaN, of a row without any True
    return scores.masked_fill(~mask, lowest).softmax(-1).masked_fill(~mask, 0.0)
