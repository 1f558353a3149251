"""Weights over the items of histories of unequal length."""

from __future__ import annotations

from torch import Tensor


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis where `mask` is True, zero elsewhere; all zero for a row without any True."""
    weights = scores.masked_fill(~mask, float("-inf")).softmax(-1)
    return weights.masked_fill(~mask, 0.0)  # a row of -inf alone gave NaN, which is masked like padding
