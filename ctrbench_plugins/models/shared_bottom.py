"""Shared Bottom: one network for all domains, then a tower per domain (Caruana, Machine Learning 28, 1997)."""

from __future__ import annotations

from torch import Tensor

from ctrbench.api import Batch, CTRModel, FeatureInfo, FieldEmbedding, PerDomain, Rate, Size, Sizes, mlp


class SharedBottom(CTRModel):
    """logit = tower_d(bottom(x)): hard parameter sharing, with domains as tasks.

    Equation 1 of the MMoE paper (Ma et al., KDD 2018). x is the concatenation of all fields' embeddings. A row visits
    only its own domain's tower. Sizes are those of the Uni-CTR paper (Section V-A4).
    """

    api_version = 1
    category = "multi_domain"

    class Config(CTRModel.Config):
        """Sizes of bottom and towers."""

        embedding_dim: Size = 32
        bottom_hidden: Sizes = (1024, 1024)
        tower_hidden: Sizes = (1024, 512, 256)
        dropout: Rate = 0.3

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        self.embedding = FieldEmbedding(features, config.embedding_dim)
        bottom_sizes = (len(features.names) * config.embedding_dim, *config.bottom_hidden)
        tower_sizes = (bottom_sizes[-1], *config.tower_hidden)
        self.bottom = mlp(bottom_sizes, config.dropout)
        self.towers = PerDomain(lambda: mlp(tower_sizes, config.dropout, out=1), domains)

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits, each from its own domain's tower."""
        return self.towers(batch, self.shared(batch))[:, 0]

    def representations(self, batch: Batch) -> dict[str, Tensor]:
        """`tower` (B, h): the last hidden layer of each row's own tower."""
        return {"tower": self.towers.hidden(batch, self.shared(batch))}

    def shared(self, batch: Batch) -> Tensor:
        """The bottom's output (B, h)."""
        return self.bottom(self.embedding(batch).flatten(1))  # from (B, F * d)
