"""Bilinear interactions of fields."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn


class FieldBilinear(nn.Module):
    """p_ij = (e_i' W) * e_j, element by element, for i < j: (B, F, d) to (B, F (F - 1) / 2, d).

    `fields` is F, `dim` is d. `kind` says what W depends on: `all` has one matrix, `each` one per left field i,
    `interaction` one per pair. Pairs follow the upper triangle row by row, as those of `inner_products` do. All are one
    batched product, where deepctr-torch's equal layers make one per pair.
    """

    def __init__(self, fields: int, dim: int, kind: Literal["all", "each", "interaction"] = "interaction") -> None:
        super().__init__()
        self.kind = kind
        matrices = {"all": 1, "each": fields - 1, "interaction": fields * (fields - 1) // 2}[kind]
        self.kernel = nn.Parameter(torch.empty(matrices, dim, dim).uniform_(-(dim**-0.5), dim**-0.5))

    def forward(self, embedded: Tensor) -> Tensor:
        """Products (B, F (F - 1) / 2, d) of all pairs."""
        fields = embedded.shape[1]
        left, right = torch.triu_indices(fields, fields, 1, device=embedded.device)
        if self.kind == "interaction":
            projected = torch.einsum("bpc,pcd->bpd", embedded.index_select(1, left), self.kernel)
        else:  # a left field is projected once, whatever its partners; the last field is never on the left
            projected = torch.einsum("bfc,fcd->bfd", embedded[:, :-1], self.kernel).index_select(1, left)
        return projected * embedded.index_select(1, right)
