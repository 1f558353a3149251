"""DeepFM: a factorization machine and an MLP over the same embeddings (Guo et al., IJCAI 2017, arXiv 1703.04247)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ctrbench.api import Batch, CTRModel, FeatureInfo, Rate, Size, Sizes, WideEmbedding, deepctr_module, mlp


class DeepFM(CTRModel):
    """logit = b + sum_i w_i + sum_{i<j} <e_i, e_j> + MLP(e_1, ..., e_F)  (equations 1 to 4).

    The FM part and the MLP share the embeddings. Numbers take part as value x embedding, the history as the mean of
    its items. The MLP has the sizes of the Uni-CTR paper's single-domain models.
    """

    api_version = 1
    category = "single_domain"

    class Config(CTRModel.Config):
        """Sizes of embeddings and MLP."""

        embedding_dim: Size = 32
        hidden: Sizes = (512, 256, 128)
        dropout: Rate = 0.3

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        self.bias = nn.Parameter(torch.zeros(()))
        self.embedding = WideEmbedding(features, config.embedding_dim)
        self.fm: Any = deepctr_module("layers.interaction").FM()
        width = len(features.names) * config.embedding_dim
        self.mlp = mlp((width, *config.hidden), config.dropout, out=1)

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits; every domain shares one head."""
        embedded, first = self.embedding(batch)  # (B, F, d), (B, F)
        second = self.fm(embedded)[:, 0]
        deep = self.mlp(embedded.flatten(1))[:, 0]
        return self.bias + first.sum(1) + second + deep
