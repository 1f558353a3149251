"""Inner products of fields."""

from __future__ import annotations

import torch
from torch import Tensor


def inner_products(embedded: Tensor) -> Tensor:
    """p_ij = <e_i, e_j> for i < j: (B, F, d) to (B, F (F - 1) / 2), row by row of the upper triangle."""
    fields = embedded.shape[1]
    rows, columns = torch.triu_indices(fields, fields, 1, device=embedded.device)
    products = (embedded @ embedded.transpose(1, 2)).flatten(1)  # (B, F * F)
    return products.index_select(1, rows * fields + columns)
