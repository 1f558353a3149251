"""SAR-Net: attended histories, a linear map per domain, debias experts (Shen et al., CIKM 2021, arXiv 2110.06475)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from ctrbench.api import (
    Batch,
    ConfigError,
    CTRModel,
    DomainVector,
    Experts,
    FeatureInfo,
    FieldEmbedding,
    PerDomain,
    Rate,
    Size,
    Sizes,
    masked_softmax,
    mixture,
    mlp,
)


class BehaviourAttention(nn.Module):
    """a_j = softmax_j w' ReLU(U [e_j; p; e_j * p] + b) with p = P q: how much a query q cares for each past item."""

    def __init__(self, query: int, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(query, dim, bias=False)
        self.hidden = nn.Linear(3 * dim, dim)
        self.score = nn.Linear(dim, 1, bias=False)  # a bias would cancel in the softmax

    def forward(self, items: Tensor, mask: Tensor, query: Tensor) -> Tensor:
        """Weights (B, H) of items (B, H, d) for queries (B, q); 0 where the mask (B, H) is False."""
        p = self.query(query)[:, None].expand_as(items)  # (B, H, d)
        hidden = self.hidden(torch.cat([items, p, items * p], dim=2)).relu()
        return masked_softmax(self.score(hidden)[:, :, 0], mask)


class DomainTransform(nn.Module):
    """v' = v * beta_d + gamma_d, element by element; starts as v' = v."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.ones(width))
        self.gamma = nn.Parameter(torch.zeros(width))

    def forward(self, v: Tensor) -> Tensor:
        """Rows (n, w) of this domain to the same shape."""
        return v * self.beta + self.gamma


class BiasNets(nn.Module):
    """The bias nets of some experts: B_i(c) = w_i c in training, 0 at eval; they start at 0."""

    def __init__(self, experts: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(experts))

    def forward(self, fairness: Tensor) -> Tensor:
        """Fairness coefficients (n, 1) to (n, E)."""
        offsets = fairness * self.weight
        return offsets if self.training else torch.zeros_like(offsets)


class SARNet(CTRModel):
    """logit = MLP(sum_i g_i M_i(v')) [+ sum_i g_i B_i(c) in training], with g = softmax(W_d v') over all experts.

    Behaviours: u = sum_j a_j^t a_j^s e_j, the weight of past item j for the target's fields e_t times its weight for
    the domain's vector s_d. v = [u; every field but the history; s_d] is mapped to v' = v * beta_d + gamma_d. A row
    visits the shared experts and those of its own domain, which has its own beta, gamma, gate and vector too.

    Debiasing: an expert is a main net M_i plus a bias net B_i of the fairness coefficient c of the row's item and
    domain; the paper also weights the row's loss with c, and takes the bias nets away before serving. Amazon's and
    MovieLens' rows know no manual intervention, so c is 1 throughout: the loss is unweighted, and a bias net can only
    be one learned number per expert, hence it is linear. Here it joins the logit, not the main nets' outputs, which
    the classifier must find alike in training and at eval: what falls away at eval is a gated mean of numbers that
    start at 0, while the far larger main network learns the level of the labels.

    Readings: histories carry no domain of their own, so a^s compares the items themselves with the row's domain.
    There is no batch normalisation, which would couple rows. The Uni-CTR paper's 2 shared and 6 specific experts are
    read as 2 for each of its three domains, its MLP 1024-512 as a classifier that all domains share.
    """

    api_version = 1
    category = "multi_domain"
    needs_history = True

    class Config(CTRModel.Config):
        """Number and sizes of experts, and the classifier's sizes; `domain_experts` counts those of one domain."""

        embedding_dim: Size = 32
        shared_experts: Size = 2
        domain_experts: Size = 2
        expert_hidden: Sizes = (1024, 1024)
        hidden: Sizes = (1024, 512)
        dropout: Rate = 0.3

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        self.target = features.owned_by("item")
        if not self.target:
            raise ConfigError("SARNet needs a field of the item to compare the history with: declare one `of: item`")
        dim, experts = config.embedding_dim, config.shared_experts + config.domain_experts
        self.embedding = FieldEmbedding(replace(features, histories=()), dim)
        self.domain = PerDomain(lambda: DomainVector(dim), domains)
        self.item_attention = BehaviourAttention(len(self.target) * dim, dim)
        self.domain_attention = BehaviourAttention(dim, dim)
        width = (len(features.names) + 1) * dim
        sizes = (width, *config.expert_hidden)
        self.transform = PerDomain(lambda: DomainTransform(width), domains)
        self.shared = Experts(config.shared_experts, sizes, config.dropout)
        self.specific = PerDomain(lambda: Experts(config.domain_experts, sizes, config.dropout), domains)
        self.shared_bias = BiasNets(config.shared_experts)
        self.specific_bias = PerDomain(lambda: BiasNets(config.domain_experts), domains)
        self.gates = PerDomain(lambda: nn.Linear(width, experts, bias=False), domains)
        self.classifier = mlp((sizes[-1], *config.hidden), config.dropout, out=1)

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits, each from its own domain's experts, gate and transformation."""
        fields = self.embedding(batch)  # (B, F, d), histories apart
        domain = self.domain(batch, batch.domain)  # (B, d)
        behaviours = [self.behaviour(batch, name, fields, domain) for name in self.features.histories]
        v = torch.cat([*behaviours, fields.flatten(1), domain], dim=1)  # (B, w)
        v = self.transform(batch, v)
        scores = self.gates(batch, v)  # (B, E)
        main = torch.cat([self.shared(v), self.specific(batch, v)], dim=1)  # (B, E, h)
        fairness = torch.ones_like(batch.label)[:, None]  # (B, 1): no row is promoted
        bias = torch.cat([self.shared_bias(fairness), self.specific_bias(batch, fairness)], dim=1)  # (B, E)
        logit = self.classifier(mixture(scores, main)) + mixture(scores, bias[:, :, None])  # (B, 1)
        return logit[:, 0]

    def behaviour(self, batch: Batch, name: str, fields: Tensor, domain: Tensor) -> Tensor:
        """u (B, d): a history's items, weighted for the row's target and domain; zero for an empty history."""
        items, mask = self.embedding.history(batch, name)  # (B, H, d), (B, H)
        for_item = self.item_attention(items, mask, fields[:, self.target].flatten(1))  # (B, H)
        for_domain = self.domain_attention(items, mask, domain)
        return torch.einsum("bh,bhd->bd", for_item * for_domain, items)
