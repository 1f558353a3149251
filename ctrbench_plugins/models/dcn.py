"""DCN: explicit feature crosses of growing degree beside an MLP (Wang et al., ADKDD 2017, arXiv 1708.05123)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctrbench.api import Batch, CTRModel, FeatureInfo, FieldEmbedding, Rate, Size, Sizes, mlp


class CrossNetwork(nn.Module):
    """x_{l+1} = x_0 (x_l' w_l) + b_l + x_l with vectors w_l, b_l  (equation 3): x_0 (B, n) to x_L (B, n).

    Computed without any x_l: by induction x_l = a_l x_0 + c_l, with a number a_l per row and c_l = b_0 + ... + b_{l-1},
    so a_{l+1} = a_l + a_l x_0' w_l + c_l' w_l, and one product of x_0 with all w_l serves every layer. deepctr-torch's
    equal layer computes every x_l, each by B products of an (n, 1) with a (1, 1) matrix.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(layers, width)))
        self.bias = nn.Parameter(torch.zeros(layers, width))

    def forward(self, x: Tensor) -> Tensor:
        """x_L (B, n)."""
        crossed = x @ self.weight.T  # (B, L): x_0' w_l
        before = self.bias.cumsum(0) - self.bias  # (L, n): c_l
        shifts = (before * self.weight).sum(1)  # (L,): c_l' w_l
        scale = torch.ones_like(crossed[:, 0])  # (B,): a_0
        for cross, shift in zip(crossed.unbind(1), shifts, strict=True):
            scale = scale + scale * cross + shift
        return scale[:, None] * x + self.bias.sum(0)


class DCN(CTRModel):
    """logit = w' [x_L; deep(x_0)]  (equation 5), x_0 the embeddings of all fields; no linear term.

    w_l is a vector: a matrix kernel is another model, DCN-V2. The paper's best of 1 to 6 cross layers on Criteo is 6
    (Section 4.4), the default here; the Uni-CTR authors' code used 2. The MLP has the sizes of the Uni-CTR paper's
    single-domain models.
    """

    api_version = 1
    category = "single_domain"

    class Config(CTRModel.Config):
        """Sizes of embeddings, cross network and MLP."""

        embedding_dim: Size = 32
        cross_layers: Size = 6
        hidden: Sizes = (512, 256, 128)
        dropout: Rate = 0.3

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        self.embedding = FieldEmbedding(features, config.embedding_dim)
        width = len(features.names) * config.embedding_dim
        sizes = (width, *config.hidden)
        self.cross = CrossNetwork(width, config.cross_layers)
        self.deep = mlp(sizes, config.dropout)
        self.head = nn.Linear(width + sizes[-1], 1, bias=False)

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits; every domain shares one head."""
        x = self.embedding(batch).flatten(1)  # (B, n), n = F * d
        return self.head(torch.cat([self.cross(x), self.deep(x)], dim=1))[:, 0]
