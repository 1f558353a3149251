"""A learned vector for a domain."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DomainVector(nn.Module):
    """The embedding of one domain, of width `dim`, the same for each of its rows: build it with `PerDomain`.

    `PerDomain(lambda: DomainVector(d), domains)(batch, batch.domain)` is (B, d). Unlike a `domain` id it follows the
    head that a row is scored with, is added with its domain, and learns from that domain's rows only.
    """

    def __init__(self, dim: int, std: float = 0.01) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.empty(dim).normal_(std=std))

    def forward(self, rows: Tensor) -> Tensor:
        """(n, ...) rows of this domain to (n, d)."""
        return self.vector.repeat(len(rows), 1)
