"""The model `acme_fm`: a factorization machine in which each domain weighs the pairs of fields anew."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctrbench.api import Batch, CTRModel, FeatureInfo, PerDomain, Size, WideEmbedding, inner_products


class PairWeights(nn.Module):
    """b + sum_p r_p x_p over pairs p of fields: a domain's own bias and weights, which are 1 at first, as in an FM."""

    def __init__(self, pairs: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))
        self.weights = nn.Parameter(torch.ones(pairs))

    def forward(self, products: Tensor) -> Tensor:
        """(n, P) to (n,)."""
        return self.bias + (products * self.weights).sum(1)


class AcmeFM(CTRModel):
    """logit = sum_i w_i + b_d + sum_{i<j} r_dij <e_i, e_j>, for a row of domain d.

    An FM (Rendle, ICDM 2010) with the pair weights of FwFM (Pan et al., WWW 2018), here of field pairs and domains.
    Embeddings e_i and first-order weights w_i are shared by all domains; b_d and r_d are a domain's own.
    """

    api_version = 1  # of `ctrbench.api`, for which it was written
    category = "multi_domain"  # trained once, on all domains; "single_domain": once per domain
    version = "1"  # part of a run's id: raise it when the same settings give other results
    train_defaults = {"batch_size": 128, "lr": 3e-3, "epochs": 20}

    class Config(CTRModel.Config):
        """The model's own settings, each with a default."""

        embedding_dim: Size = 8

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        fields = len(features.names)
        self.embedding = WideEmbedding(features, config.embedding_dim)
        self.pairs = PerDomain(lambda: PairWeights(fields * (fields - 1) // 2), domains)

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits; a row meets only its own domain's weights."""
        embedded, first = self.embedding(batch)  # (B, F, d), (B, F)
        return first.sum(1) + self.pairs(batch, inner_products(embedded))
