"""PNN: an MLP over embeddings and their pairwise products (Qu et al., ICDM 2016, arXiv 1611.00144)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ctrbench.api import (
    Batch,
    CTRModel,
    FeatureInfo,
    FieldBilinear,
    FieldEmbedding,
    Rate,
    Size,
    Sizes,
    inner_products,
    mlp,
)


class PNN(CTRModel):
    """logit = MLP([z, p]), z = (e_1, ..., e_F), p = (p_ij) for i < j  (Section III); no wide term.

    Inner: p_ij = <e_i, e_j> (Section III-B). Outer: p_ij = e_i' W_ij e_j, the outer product e_i e_j' weighted by a
    kernel W_ij of each pair; the paper sums all outer products first to save time, which its authors found to cost
    capacity and gave up (their code's notes; Qu et al., TOIS 2018, arXiv 1807.00311, "kernel product"). Both: PNN*.
    The first layer's W_z z + W_p p + b is one linear layer of [z, p].
    """

    api_version = 1
    category = "single_domain"

    class Config(CTRModel.Config):
        """Sizes of embeddings and MLP, and the product."""

        embedding_dim: Size = 32
        product: Literal["inner", "outer", "both"] = "inner"
        hidden: Sizes = (512, 256, 128)
        dropout: Rate = 0.3

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        fields, dim = len(features.names), config.embedding_dim
        self.inner = config.product != "outer"
        self.embedding = FieldEmbedding(features, dim)
        self.outer = FieldBilinear(fields, dim) if config.product != "inner" else None
        products = fields * (fields - 1) // 2 * (2 if config.product == "both" else 1)
        self.mlp = mlp((fields * dim + products, *config.hidden), config.dropout, out=1)

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits; every domain shares one head."""
        embedded = self.embedding(batch)  # (B, F, d)
        signals = [embedded.flatten(1)]  # z: (B, F * d)
        if self.inner:
            signals.append(inner_products(embedded))  # p: (B, F (F - 1) / 2)
        if self.outer is not None:
            signals.append(self.outer(embedded).sum(2))  # e_i' W_ij e_j
        return self.mlp(torch.cat(signals, dim=1))[:, 0]
