"""Uni-CTR without its language model: a deep network on ids instead (arXiv 2312.10743, Table VI, "w/o LLM")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import model_validator
from torch import Tensor, nn

from ctrbench.api import Batch, ConfigError, Dropout, FeatureInfo, FieldEmbedding, Size
from ctrbench_plugins.models.uni_ctr.config import LadderConfig, tap_layers
from ctrbench_plugins.models.uni_ctr.layers import narrow_width
from ctrbench_plugins.models.uni_ctr.networks import DomainNetworks


class Layer(nn.Module):
    """h + ReLU(W LN(h) + b), with dropout: (B, d) to (B, d)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """h_{l-1} to h_l."""
        return hidden + self.dropout(self.linear(self.norm(hidden)).relu())


class UniCTRIds(DomainNetworks):
    """Each layer of a DNN on a row's ids gives a state; Uni-CTR's ladders, gates, towers and general network read them.

    h_0 = W x of all fields' embeddings x, h_l = Layer_l(h_{l-1}), l = 1 ... L. A state is one token, so that a
    ladder is a bottleneck MLP, and nothing is pooled but ladder and h_L. The paper says "a 24-layer DNN" and no more.
    Ours: the width, which is that of DeBERTa-V3-Large, and layers that add to their input, as a language model's do.
    """

    api_version = 1
    category = "multi_domain"

    class Config(LadderConfig):
        """The network in place of a backbone."""

        embedding_dim: Size = 32
        width: Size = 1024
        depth: Size = 24

        @model_validator(mode="after")
        def _ladders_fit(self) -> Self:
            try:
                tap_layers(self.depth, self)
                if self.block != "none":
                    narrow_width(self.width, self.narrowing, 1 if self.block == "mlp" else self.heads)
            except ConfigError as fault:
                raise ValueError(str(fault)) from None
            return self

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        self.embedding = FieldEmbedding(features, config.embedding_dim)
        self.choose_states(config.depth)
        self.first = nn.Linear(len(features.names) * config.embedding_dim, config.width)
        self.stack = nn.ModuleList(Layer(config.width, config.dropout) for _ in range(config.depth))
        self.build_networks(config.width, one_token=True)

    def states(self, batch: Batch, layers: Sequence[int]) -> tuple[Tensor, dict[int, Tensor]]:
        """The mask (B, 1), and h_l (B, 1, d) for each l of `layers`."""
        hidden = [self.first(self.embedding(batch).flatten(1))]  # (B, d) each
        for layer in self.stack:
            hidden.append(layer(hidden[-1]))
        mask = batch.domain.new_ones(len(batch), 1).bool()
        return mask, {layer: hidden[layer][:, None] for layer in layers}
