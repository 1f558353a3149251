"""DFFM: the domain inside the parameters of feature interaction and behaviour modelling (Guo et al., CIKM 2023)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from ctrbench.api import (
    Batch,
    ConfigError,
    CTRModel,
    FeatureInfo,
    FieldEmbedding,
    PerDomain,
    Rate,
    Size,
    Sizes,
    inner_products,
    masked_softmax,
    mlp,
)


class DomainNetwork(nn.Module):
    """D of one domain: h^(k) = tanh(W^(k-1) h^(k-1) + b^(k-1)) with {W^(k), b^(k)} = Reshape(Split(E^d)).

    E^d is all that the domain learns; it starts where every W is nearly the identity and every b is 0.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.shapes = [(narrow, wide) for wide, narrow in pairwise(sizes)]
        parts = [part for shape in self.shapes for part in (_near_identity(*shape).flatten(), torch.zeros(shape[0]))]
        self.embedding = nn.Parameter(torch.cat(parts))  # E^d

    def forward(self, h: Tensor) -> Tensor:
        """Embeddings (..., d) of this domain's rows to (..., d')."""
        parts = iter(self.embedding.split([size for rows, columns in self.shapes for size in (rows * columns, rows)]))
        for shape in self.shapes:
            h = functional.linear(h, next(parts).view(shape), next(parts)).tanh()
        return h


class DomainProjection(nn.Module):
    """The domain's and the target's factor of the projections: x (A + R C), with [A; C] = Reshape(Split(E^d)).

    R = Reshape(E^t) is e x r, one per row; A (e x e, nearly the identity at first) and C (r x e) are the domain's,
    one pair each for queries, keys and values.
    """

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        pairs = [
            torch.cat([_near_identity(width, width), nn.init.xavier_normal_(torch.empty(rank, width))])
            for _ in range(3)
        ]
        self.shape = (3, width + rank, width)
        self.embedding = nn.Parameter(torch.cat(pairs).flatten())  # E^d

    def forward(self, x: Tensor, r: Tensor) -> Tensor:
        """Heads x (n, H, 3, m, e) of this domain's rows with targets r (n, e, r); the shape of x."""
        both = torch.cat([x, torch.einsum("nhpme,ner->nhpmr", x, r)], dim=-1)  # [x, x R]
        return torch.einsum("nhpme,pef->nhpmf", both, self.embedding.view(self.shape))


class DFUB(nn.Module):
    """Domain facilitated user behaviour: multi-head self-attention whose projections the domain and target change.

    Head i's queries, keys and values are E^h W_i (A + R C), see `DomainProjection`; W_i is shared.
    """

    def __init__(self, dim: int, heads: int, targets: int, domains: tuple[str, ...]) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(dim, 3 * dim, bias=False)
        self.facilitate = PerDomain(lambda: DomainProjection(dim // heads, targets * heads), domains)
        self.output = nn.Linear(dim, dim, bias=False)

    def forward(self, batch: Batch, items: Tensor, mask: Tensor, target: Tensor) -> Tensor:
        """A history (B, H, d) with mask (B, H), and the target's fields (B, t, d), to (B, d); zero where empty."""
        x = self.project(items).unflatten(2, (3, self.heads, -1))  # (B, H, 3, m, e)
        r = target.reshape(len(target), x.shape[-1], -1)  # (B, e, t m)
        q, k, v = self.facilitate(batch, x, r).permute(2, 0, 3, 1, 4)  # (B, m, H, e) each
        weights = masked_softmax(q @ k.transpose(2, 3) / q.shape[-1] ** 0.5, mask[:, None, None])  # (B, m, H, H)
        seen = (weights @ v).transpose(1, 2).flatten(2)  # (B, H, d)
        pooled = (seen * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return self.output(pooled)


class DFFM(CTRModel):
    """logit = MLP([DFFI; DFUB(E^h)]), DFFI = MLP([all p_ij, all e_i]), p_ij = <D(e_i), D(e_j)>  (equations 2 to 6).

    The domain is the weights of D, a micro-MLP, and with the target item part of the attention's projections (`DFUB`).
    All else is shared. (A dataset's `domain` id is a field like others, as every model here sees it.)

    Readings, where the paper leaves a choice: e_i are all fields but the history, those of the target E^t among them;
    a domain has one E^d, of which D and the attention get their own parts; sigma is tanh, so that D starts close to
    the identity. [E^d; E^t] is reshaped into a projection of two factors, since E^t is too short for a whole matrix
    per row: the target's are of rank t m for t fields and m heads. The attended history is averaged. The Uni-CTR
    paper gives the DFFI MLP's sizes; the micro-MLP, the heads and the last MLP are our choice.
    """

    api_version = 1
    category = "multi_domain"
    needs_history = True

    class Config(CTRModel.Config):
        """Sizes of embeddings and MLPs; `micro_hidden` are the widths of the layers of D, at least one."""

        embedding_dim: Size = 32
        micro_hidden: Annotated[Sizes, Field(min_length=1)] = (32, 32)
        heads: Size = 2
        hidden: Sizes = (1024, 512, 256)
        final_hidden: Sizes = (256,)
        dropout: Rate = 0.3

        @model_validator(mode="after")
        def _heads_divide(self) -> Self:
            if self.embedding_dim % self.heads:
                raise ValueError(
                    f"heads {self.heads} must divide embedding_dim {self.embedding_dim}: every head gets equal width"
                )
            return self

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        self.target = features.owned_by("item")
        if not self.target:
            raise ConfigError("DFFM needs a field of the item to attend to the history with: declare one `of: item`")
        dim, histories = config.embedding_dim, len(features.histories)
        fields = len(features.names) - histories
        self.embedding = FieldEmbedding(replace(features, histories=()), dim)
        self.transform = PerDomain(lambda: DomainNetwork((dim, *config.micro_hidden)), domains)
        sizes = (fields * (fields - 1) // 2 + fields * dim, *config.hidden)
        self.dffi = mlp(sizes, config.dropout)
        self.dfub = DFUB(dim, config.heads, len(self.target), domains)
        self.final = mlp((sizes[-1] + histories * dim, *config.final_hidden), config.dropout, out=1)

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits, each with its own domain's parameters of interaction and attention."""
        embedded = self.embedding(batch)  # (B, F, d), histories apart
        products = inner_products(self.transform(batch, embedded))  # (B, F (F - 1) / 2)
        dffi = self.dffi(torch.cat([products, embedded.flatten(1)], dim=1))
        target = embedded[:, self.target]  # (B, t, d)
        histories = [self.embedding.history(batch, name) for name in self.features.histories]
        dfub = [self.dfub(batch, items, mask, target) for items, mask in histories]  # (B, d) each
        return self.final(torch.cat([dffi, *dfub], dim=1))[:, 0]


def _near_identity(rows: int, columns: int) -> Tensor:
    """The identity, cut or padded to shape, plus a little noise that sets domains apart."""
    return torch.eye(rows, columns) + torch.empty(rows, columns).normal_(std=0.01)
