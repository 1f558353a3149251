"""PLE: each domain's experts beside shared ones, level by level (Tang et al., RecSys 2020, 10.1145/3383313.3412236)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from ctrbench.api import (
    Batch,
    ConfigError,
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

ByDomain = Mapping[str, Tensor]
"""One (B, ...) tensor of all rows for each domain."""


class DomainLevel(nn.Module):
    """One domain's part of a level: its experts, and its gate over them and the shared ones."""

    def __init__(self, width: int, config: PLE.Config) -> None:
        super().__init__()
        self.experts = Experts(config.domain_experts, (width, *config.expert_hidden), config.dropout)
        self.gate = nn.Linear(width, config.domain_experts + config.shared_experts, bias=False)

    def forward(self, x: Tensor, shared: Tensor) -> Tensor:
        """g^d from x_d (B, w) and the shared experts' outputs (B, S, h); (B, h)."""
        return self.mix(x, self.experts(x), shared)

    def mix(self, x: Tensor, own: Tensor, shared: Tensor) -> Tensor:
        """The same from the outputs (B, E, h) of its own experts."""
        return mixture(self.gate(x), torch.cat((own, shared), dim=1))


class PLE(CTRModel):
    """Level j: g^d_j = softmax(W^d_j g^d_{j-1}) [E^d_j; E^s_j], logit = tower_d(g^d_N)  (equations 2 to 7).

    g_0 = x, the concatenation of all fields' embeddings; E^d are domain d's experts, on g^d, and E^s the shared ones,
    on g^s. Below the last level g^s_j is the same mixture over the shared and *all* domains' experts (Section 4.2);
    the last level has no shared output, so no gate for one. Gates have no bias. At the last level a row visits only
    its own domain's and the shared experts.

    Sizes are those of the Uni-CTR paper (Section V-A4), whose numbers describe one level (CGC, Section 4.1). PLE's own
    experiments had two, of single-layer experts (Section 5.1.2).

    With two or more levels every row is seen by all domains' lower experts, by definition: they learn from all rows
    and cost O(domains). g^s ranges over the domains that the model was built with. One added later leaves the others'
    logits as they were; it has experts, gates and a tower of its own, and reads g^s without feeding it. (To load such a
    model's weights, build it with the first domains, then add the others.)
    """

    api_version = 1
    category = "multi_domain"

    class Config(CTRModel.Config):
        """Number and sizes of experts, towers and levels."""

        embedding_dim: Size = 32
        levels: Size = 1
        shared_experts: Size = 1
        domain_experts: Size = 2
        expert_hidden: Sizes = (1024, 512)
        tower_hidden: Sizes = (1024, 1024)
        dropout: Rate = 0.3

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        self.embedding = FieldEmbedding(features, config.embedding_dim)
        width = len(features.names) * config.embedding_dim
        mixed = (width, *config.expert_hidden)[-1]
        widths = [width] + [mixed] * (config.levels - 1)  # of each level's input
        every = len(domains) * config.domain_experts + config.shared_experts
        self.feeding = self.domains if config.levels > 1 else ()  # domains whose experts feed g^s
        self.shared_experts = nn.ModuleList(
            Experts(config.shared_experts, (w, *config.expert_hidden), config.dropout) for w in widths
        )
        self.shared_gates = nn.ModuleList(nn.Linear(w, every, bias=False) for w in widths[:-1])
        self.levels = nn.ModuleList(PerDomain(partial(DomainLevel, w, config), domains) for w in widths)
        self.towers = PerDomain(lambda: mlp((mixed, *config.tower_hidden), config.dropout, out=1), domains)

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits, each from its own domain's experts, gates and tower."""
        return self.towers(batch, self.mixed(batch))[:, 0]

    def representations(self, batch: Batch) -> dict[str, Tensor]:
        """`tower` (B, h): the last hidden layer of each row's own tower."""
        return {"tower": self.towers.hidden(batch, self.mixed(batch))}

    def mixed(self, batch: Batch) -> Tensor:
        """g^d_N (B, h) of each row's own domain."""
        shared = self.embedding(batch).flatten(1)  # g^s_0 (B, F * d)
        present = tuple(name for name, _ in batch.groups)
        own: ByDomain = dict.fromkeys((*self.feeding, *present), shared)  # g^d_0
        for level in range(len(self.shared_gates)):
            next_own = present if level + 1 == len(self.shared_gates) else tuple(own)
            own, shared = self._extract(level, own, shared, next_own)
        experts = self.shared_experts[-1](shared)  # (B, S, h)
        last = cast("PerDomain", self.levels[-1])
        inputs = {last[name]: x for name, x in own.items()}
        return last.route(batch, lambda domain, rows: domain(inputs[domain][rows], experts[rows]))

    def _extract(self, level: int, own: ByDomain, shared: Tensor, up: Sequence[str]) -> tuple[ByDomain, Tensor]:
        """g^d of the domains `up`, and g^s, one level up."""
        domains = cast("PerDomain", self.levels[level])
        parts = {name: cast("DomainLevel", domains[name]) for name in own}
        outputs = {name: part.experts(own[name]) for name, part in parts.items()}  # (B, E, h) each
        common = self.shared_experts[level](shared)  # (B, S, h)
        every = torch.cat([*(outputs[name] for name in self.feeding), common], dim=1)
        mixed = {name: parts[name].mix(own[name], outputs[name], common) for name in up}
        return mixed, mixture(self.shared_gates[level](shared), every)

    def remove_domain(self, name: str) -> None:
        """Drop `name`, unless the other domains read its experts."""
        if name in self.feeding:
            raise ConfigError(
                f"domain '{name}' cannot be removed from a PLE of {len(self.levels)} levels: its lower experts feed "
                "the shared output that all domains read; train without it, or with levels=1"
            )
        super().remove_domain(name)
