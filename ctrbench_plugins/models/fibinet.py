"""FiBiNET: fields weighted by importance and crossed bilinearly (Huang et al., RecSys 2019, arXiv 1905.09433)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ctrbench.api import Batch, ConfigError, CTRModel, FeatureInfo, FieldBilinear, Rate, Size, Sizes, WideEmbedding, mlp


class SENET(nn.Module):
    """V = A * E, A = ReLU(W_2 ReLU(W_1 z)), z_i = mean_d e_i: each field times its importance; (B, F, d) to the same.

    W_1 narrows the F fields to F / reduction (at least 1), W_2 widens them again; no biases. W_2 starts without
    negative weights, which with one or two narrow units would shut some fields off for good.
    """

    def __init__(self, fields: int, reduction: int) -> None:
        super().__init__()
        narrow = max(1, fields // reduction)
        self.squeeze = nn.Linear(fields, narrow, bias=False)
        self.excite = nn.Linear(narrow, fields, bias=False)
        with torch.no_grad():
            self.excite.weight.abs_()

    def forward(self, embedded: Tensor) -> Tensor:
        """Weighted embeddings (B, F, d)."""
        importance = self.excite(self.squeeze(embedded.mean(2)).relu()).relu()  # (B, F)
        return importance[:, :, None] * embedded


class FiBiNET(CTRModel):
    """logit = w_0 + sum_i w_i + MLP([p, q]), p = bilinear(E), q = bilinear(SENET(E)), p_ij = (e_i W) * e_j.

    W is one matrix, one per left field, or one per pair (`all`, `each`, `interaction`); E and V = SENET(E)
    have sets of their own, as in the authors' code (deepctr-torch shares one set). `interaction` is what the Uni-CTR
    authors ran; the FiBiNET paper finds the best kind to differ by dataset. The reduction 3 is its authors' code's.
    """

    api_version = 1
    category = "single_domain"

    class Config(CTRModel.Config):
        """Sizes of embeddings, SENET and MLP, and the kind of bilinear function."""

        embedding_dim: Size = 32
        reduction: Size = 3
        bilinear: Literal["all", "each", "interaction"] = "interaction"
        hidden: Sizes = (512, 256, 128)
        dropout: Rate = 0.3

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        if len(features.names) < 2:
            raise ConfigError(f"FiBiNET crosses fields, and this dataset has only {', '.join(features.names)}")
        fields, dim = len(features.names), config.embedding_dim
        self.bias = nn.Parameter(torch.zeros(()))
        self.embedding = WideEmbedding(features, dim)
        self.senet = SENET(fields, config.reduction)
        self.plain = FieldBilinear(fields, dim, config.bilinear)
        self.weighted = FieldBilinear(fields, dim, config.bilinear)
        self.mlp = mlp((fields * (fields - 1) * dim, *config.hidden), config.dropout, out=1)

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits; every domain shares one head."""
        embedded, first = self.embedding(batch)  # (B, F, d), (B, F)
        p, q = self.plain(embedded), self.weighted(self.senet(embedded))  # (B, F (F - 1) / 2, d) each
        return self.bias + first.sum(1) + self.mlp(torch.cat([p, q], dim=1).flatten(1))[:, 0]
