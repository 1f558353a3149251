"""Inner products of fields."""

from __future__ import annotations

import torch
from torch import Tensor


def inner_products(embedded: Tensor) -> Tensor:
    """p_ij = <e_i, e_j> for i < j: (B, F, d) to (B, F (F - 1) / 2), row by row of the upper triangle."""
    rows, columns = torch.triu_indices(embedded.shape[1], embedded.shape[1], 1, device=embedded.device)
    return (embedded @ embedded.transpose(1, 2))[:, rows, columns]  # from (B, F, F)
