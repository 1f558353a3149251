"""A multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from ctrbench.models.layers.dropout import Dropout


def mlp(sizes: Sequence[int], dropout: float = 0.0, out: int | None = None) -> nn.Sequential:
    """Linear, ReLU, dropout for each step of `sizes`; then a linear layer to `out`, if given.

    (..., sizes[0]) to (..., out), or without it to (..., sizes[-1]). `mlp((16,))` is empty: rows pass unchanged.
    """
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(sizes):
        layers += [nn.Linear(wide, narrow), nn.ReLU(), Dropout(dropout)]
    if out is not None:
        layers.append(nn.Linear(sizes[-1], out))
    return nn.Sequential(*layers)
