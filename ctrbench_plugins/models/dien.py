"""DIEN: interests read from the history, and evolved towards the item (Zhou et al., AAAI 2019, arXiv 1809.03672)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ctrbench.api import Batch, CTRModel, FeatureInfo, FieldEmbedding, Rate, Size, Sizes, Weight, masked_softmax, mlp


class AUGRU(nn.Module):
    """A GRU whose update gate is scaled by attention; with i_t its input and a_t the weight of step t,

    u_t = a_t sigmoid(W_u i_t + U_u h_{t-1} + b_u), r_t = sigmoid(W_r i_t + U_r h_{t-1} + b_r),
    c_t = tanh(W_c i_t + r_t * U_c h_{t-1} + b_c), h_t = (1 - u_t) h_{t-1} + u_t c_t, h_0 = 0.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.input = nn.Linear(width, 3 * width)  # W and b of u, r and c
        self.state = nn.Linear(width, 3 * width, bias=False)  # U

    def forward(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Inputs (B, T, h) and weights (B, T) to the last state (B, h); a step of weight 0 leaves the state alone."""
        state = inputs.new_zeros(len(inputs), inputs.shape[2])
        for from_input, weight in zip(self.input(inputs).unbind(1), weights.unbind(1), strict=True):
            (u, r, c), (state_u, state_r, state_c) = from_input.chunk(3, -1), self.state(state).chunk(3, -1)
            update = weight[:, None] * torch.sigmoid(u + state_u)
            candidate = torch.tanh(c + torch.sigmoid(r + state_r) * state_c)
            state = (1 - update) * state + update * candidate
        return state


class DIEN(CTRModel):
    """logit = MLP(e_1, ..., e_F, h'), where h' is the last state of the interests' evolution.

    Interest extractor: h_1, ..., h_T = GRU(e of the history's items, oldest first). Interest evolution: a_t =
    softmax over t of h_t' W e_item, and h' = AUGRU(h, a). Padding has a_t = 0, so h' is the state after the last
    item, and zero for an empty history. The fields' embeddings include the history's mean, as the sum stands in the
    authors' code (github.com/mouna99/dien); the paper lists user, item and context only.

    Auxiliary loss: binary cross-entropy of whether e_{t+1} follows h_t, against an item n that does not:
    -log p(h_t, e_{t+1}) - log(1 - p(h_t, e_n)), the mean over all pairs (t, t + 1), added in `loss` with the authors'
    weight 1. (The paper sums over t; the authors' mean counts padding, too.) p is their network of 100 and 50 sigmoid
    units over [h; e], without its batch normalisation. n is drawn from all items in the batch's histories, so that it
    is as popular, and of the same domains, as what it is told from; where it is the next item itself, it is left out.
    """

    api_version = 1
    category = "single_domain"
    needs_history = True

    class Config(CTRModel.Config):
        """Sizes, and the auxiliary loss. States are as wide as embeddings."""

        embedding_dim: Size = 32
        hidden: Sizes = (512, 256, 128)
        dropout: Rate = 0.3
        auxiliary_hidden: Sizes = (100, 50)
        auxiliary_weight: Weight = 1.0

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        dim = config.embedding_dim
        self.history, *others = features.histories
        self.item = features.names.index("item")
        self.embedding = FieldEmbedding(replace(features, histories=tuple(others)), dim)
        self.extractor = nn.GRU(dim, dim, batch_first=True)
        self.attention = nn.Linear(dim, dim, bias=False)
        self.evolution = AUGRU(dim)
        self.mlp = mlp(((len(features.names) + 1) * dim, *config.hidden), config.dropout, out=1)
        widths = (2 * dim, *config.auxiliary_hidden)
        layers = [layer for wide, narrow in pairwise(widths) for layer in (nn.Linear(wide, narrow), nn.Sigmoid())]
        self.auxiliary = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits; every domain shares one head."""
        items, mask = self.embedding.history(batch, self.history)  # (B, T, d), (B, T)
        return self._logits(batch, items, mask, self.extractor(items)[0])

    def loss(self, batch: Batch) -> Tensor:
        """Mean binary cross-entropy of the labels, plus the weighted auxiliary loss."""
        items, mask = self.embedding.history(batch, self.history)
        interests = self.extractor(items)[0]
        click = functional.binary_cross_entropy_with_logits(self._logits(batch, items, mask, interests), batch.label)
        return click + self.config.auxiliary_weight * self.auxiliary_loss(batch.x[self.history], items, interests)

    def attend(self, interests: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """a (B, T), zero at padding: interests (B, T, d), target item (B, d), mask (B, T)."""
        return masked_softmax((interests @ self.attention(target)[:, :, None])[:, :, 0], mask)

    def auxiliary_loss(self, history: Tensor, items: Tensor, interests: Tensor) -> Tensor:
        """How badly interests tell the next item from another: ids (B, T), their embeddings and states (B, T, d)."""
        following, drawn = history[:, 1:], _draw(history)  # (B, T - 1)
        others = history.flatten()[drawn]
        mask = torch.stack((following != 0, (following != 0) & (others != 0) & (others != following)))
        pairs = torch.stack((items[:, 1:], items.flatten(0, 1)[drawn]))  # (2, B, T - 1, d)
        logits = self.auxiliary(torch.cat((interests[:, :-1].expand_as(pairs), pairs), dim=-1))[..., 0]
        truth = torch.stack((torch.ones_like(logits[0]), torch.zeros_like(logits[1])))
        total = functional.binary_cross_entropy_with_logits(logits, truth, mask.to(logits.dtype), reduction="sum")
        return total / mask[0].sum().clamp(min=1)

    def _logits(self, batch: Batch, items: Tensor, mask: Tensor, interests: Tensor) -> Tensor:
        fields = self.embedding(batch)  # (B, F - 1, d), this history apart
        mean = items.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)  # (B, d); padding's embedding is zero
        evolved = self.evolution(interests, self.attend(interests, fields[:, self.item], mask))  # (B, d)
        return self.mlp(torch.cat((fields.flatten(1), mean, evolved), dim=1))[:, 0]


def _draw(history: Tensor) -> Tensor:
    """For each item of (B, T) ids but a row's first, the place of one drawn from all B * T that are not padding."""
    found = (history != 0).flatten().cumsum(0)  # items up to each place
    number = torch.rand(history[:, 1:].shape, device=history.device) * found[-1]
    return torch.searchsorted(found, number.long(), right=True).clamp(max=len(found) - 1)
