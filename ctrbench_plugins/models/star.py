"""STAR: each domain's weights times shared ones (Sheng et al., CIKM 2021, arXiv 2101.11427)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ctrbench.api import (
    Batch,
    CTRModel,
    DomainVector,
    Dropout,
    FeatureInfo,
    FieldEmbedding,
    PerDomain,
    Rate,
    Size,
    Sizes,
    mlp,
)

EPSILON = 1e-5
MOMENTUM = 0.1
"""The least weight of the newest batch in the moving averages."""
ROUNDING = 1e-12
"""A variance below this is that of one value, repeated."""


class StarParameters(nn.Module):
    """gamma, beta, and W, b of every layer. A domain's own start at 1 and 0, and leave the shared ones as they are."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(sizes[0]))
        self.beta = nn.Parameter(torch.zeros(sizes[0]))
        self.weights = nn.ParameterList(torch.ones(narrow, wide) for wide, narrow in pairwise(sizes))
        self.biases = nn.ParameterList(torch.zeros(narrow) for narrow in sizes[1:])


class SharedParameters(StarParameters):
    """The centre of the star. Its W and b start as those of `nn.Linear`."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(sizes)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            bound = weight.shape[1] ** -0.5
            nn.init.uniform_(weight, -bound, bound)
            nn.init.uniform_(bias, -bound, bound)


class DomainNetwork(StarParameters):
    """One domain's parameters and statistics. They start at mean 0 and variance 1, until its first batch."""

    mean: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, sizes: Sequence[int], dropout: float) -> None:
        super().__init__(sizes)
        self.dropout = Dropout(dropout)
        self.register_buffer("mean", torch.zeros(sizes[0]))
        self.register_buffer("variance", torch.ones(sizes[0]))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    def forward(self, z: Tensor, shared: StarParameters) -> Tensor:
        """z (n, w) of this domain's rows to the main network's logits (n, 1)."""
        x = self.normalise(z) * (shared.gamma * self.gamma) + (shared.beta + self.beta)
        layers = zip(shared.weights, self.weights, shared.biases, self.biases, strict=True)
        for depth, (weight, own_weight, bias, own_bias) in enumerate(layers, start=1):
            x = functional.linear(x, weight * own_weight, bias + own_bias)
            if depth < len(self.weights):
                x = self.dropout(x.relu())
        return x

    def normalise(self, z: Tensor) -> Tensor:
        """(z - mu_d) / sqrt(sigma_d^2 + epsilon); 0 for an input that has one value in this domain."""
        if self.training and len(z) > 1:
            variance, mean = torch.var_mean(z, dim=0, correction=0)
            self._remember(mean.detach(), variance.detach() * len(z) / (len(z) - 1))
        else:
            variance, mean = self.variance, self.mean
        return (z - mean) * torch.where(variance > ROUNDING, (variance + EPSILON).rsqrt(), 0.0)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the averages towards a batch's; the first 1 / MOMENTUM batches count alike."""
        self.batches += 1
        weight = (1 / self.batches).clamp(min=MOMENTUM)
        self.mean.lerp_(mean, weight)
        self.variance.lerp_(variance, weight)


class STAR(CTRModel):
    """logit = s_m + s_a, of a main network per domain and a shared auxiliary one (Section 4 of the paper).

    Main, for domain d, on z, the concatenation of all fields' embeddings:
        partitioned normalisation (4.2)  z' = gamma gamma_d (z - mu_d) / sqrt(sigma_d^2 + epsilon) + beta + beta_d
        every layer, the last too (4.3)  W*_d = W_d o W,  b*_d = b_d + b;  ReLU between layers, none on the logit
    Auxiliary (4.4): an MLP on z beside the domain's embedding. Sizes are those of the Uni-CTR paper (Section V-A4).

    mu_d, sigma_d^2 are those of the batch's rows of d in training (variance biased, divided by n), and at eval moving
    averages of d's batches (of the variance divided by n - 1, as in Ioffe and Szegedy, 2015). The paper names neither
    epsilon nor momentum, and has batches of one domain; ours mix domains, and what it leaves open is settled so: a
    domain's single row has no variance, so it meets the averages and does not move them; an input that has one value
    in a domain is 0 in training, and so at eval, where a moving mean lags behind an embedding that learns, or meets
    another domain's id (an input that varies in one row of hundreds still does so); a frozen domain stays at eval; a
    new one starts at W_d = gamma_d = 1, b_d = beta_d = 0, mu_d = 0, sigma_d^2 = 1.
    """

    api_version = 1
    category = "multi_domain"

    class Config(CTRModel.Config):
        """Sizes of main and auxiliary network."""

        embedding_dim: Size = 32
        hidden: Sizes = (1024, 512, 256)
        auxiliary_hidden: Sizes = (1024, 512, 256)
        dropout: Rate = 0.3

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        self.embedding = FieldEmbedding(features, config.embedding_dim)
        width = len(features.names) * config.embedding_dim
        sizes = (width, *config.hidden, 1)
        auxiliary_sizes = (width + config.embedding_dim, *config.auxiliary_hidden)
        self.shared = SharedParameters(sizes)
        self.networks = PerDomain(lambda: DomainNetwork(sizes, config.dropout), domains)
        self.vectors = PerDomain(lambda: DomainVector(config.embedding_dim), domains)
        self.auxiliary = mlp(auxiliary_sizes, config.dropout, out=1)

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits, each from its own domain's network."""
        z = self.embedding(batch).flatten(1)  # (B, F * d)
        main = self.networks.route(batch, lambda network, rows: network(z[rows], self.shared))  # (B, 1)
        vectors = self.vectors(batch, batch.domain)  # (B, d)
        auxiliary = self.auxiliary(torch.cat((z, vectors), dim=1))  # (B, 1)
        return (main + auxiliary)[:, 0]
