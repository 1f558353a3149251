"""MMoE: shared experts, mixed by one gate per domain (Ma et al., KDD 2018, "Modeling Task Relationships...")."""

from __future__ import annotations

from torch import Tensor, nn

from ctrbench.api import (
    Batch,
    CTRModel,
    Experts,
    FeatureInfo,
    FieldEmbedding,
    PerDomain,
    Rate,
    Size,
    Sizes,
    mixture,
    mlp,
)


class MMOE(CTRModel):
    """f_d(x) = sum_i softmax(W_d x)_i E_i(x), logit = tower_d(f_d(x))  (equations 6 and 7, domains as tasks).

    x is the concatenation of all fields' embeddings. Each domain has a gate W_d and a tower of its own; a row visits
    only its own. Sizes are those of the Uni-CTR paper (Section V-A4).
    """

    api_version = 1
    category = "multi_domain"

    class Config(CTRModel.Config):
        """Number and sizes of experts and towers."""

        embedding_dim: Size = 32
        experts: Size = 3
        expert_hidden: Sizes = (1024, 512)
        tower_hidden: Sizes = (1024, 1024)
        dropout: Rate = 0.3

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        self.embedding = FieldEmbedding(features, config.embedding_dim)
        width = len(features.names) * config.embedding_dim
        mixed = config.expert_hidden[-1] if config.expert_hidden else width
        expert_sizes, tower_sizes = (width, *config.expert_hidden), (mixed, *config.tower_hidden)
        self.experts = Experts(config.experts, expert_sizes, config.dropout)
        self.gates = PerDomain(lambda: nn.Linear(width, config.experts, bias=False), domains)
        self.towers = PerDomain(lambda: mlp(tower_sizes, config.dropout, out=1), domains)

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits, each from its own domain's gate and tower."""
        return self.towers(batch, self.mixed(batch))[:, 0]

    def representations(self, batch: Batch) -> dict[str, Tensor]:
        """`tower` (B, h): the last hidden layer of each row's own tower."""
        return {"tower": self.towers.hidden(batch, self.mixed(batch))}

    def mixed(self, batch: Batch) -> Tensor:
        """f_d(x) (B, h) of each row's own domain."""
        x = self.embedding(batch).flatten(1)  # (B, F * d)
        return mixture(self.gates(batch, x), self.experts(x))  # from (B, E) and (B, E, h)
