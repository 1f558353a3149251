"""IntTower: two towers that meet in many small inner products (Li et al., CIKM 2022, arXiv 2210.09890)."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from ctrbench.api import Batch, ConfigError, CTRModel, FeatureInfo, FieldEmbedding, Rate, Size, Sizes, Weight, mlp


class LightSE(nn.Module):
    """e_i + s_i e_i with s = softmax(W z), z_j = mean_d e_j: which of the fields (B, F, d) matter."""

    def __init__(self, fields: int) -> None:
        super().__init__()
        self.excitation = nn.Linear(fields, fields, bias=False)

    def forward(self, embedded: Tensor) -> Tensor:
        """(B, F, d) to (B, F, d)."""
        return embedded * (1 + self.excitation(embedded.mean(-1)).softmax(-1)[:, :, None])


class Tower(nn.Module):
    """One side: Light-SE over its fields, then an MLP of which every layer can be read."""

    def __init__(self, fields: int, config: IntTower.Config) -> None:
        super().__init__()
        self.light_se = LightSE(fields)
        widths = (fields * config.embedding_dim, *config.hidden)
        self.layers = nn.ModuleList(mlp(pair, config.dropout) for pair in pairwise(widths))

    def forward(self, embedded: Tensor) -> list[Tensor]:
        """Fields (B, F, d) to the L layers' outputs, (B, h_l) each."""
        outputs = [self.light_se(embedded).flatten(1)]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        return outputs[1:]


class IntTower(CTRModel):
    """logit = b + sum_l sum_h max_k <U_{l,h}, V_{L,k}>: every user layer l against the item's last layer L (FE-Block).

    U_{l,h} and V_{L,k} are linear projections of the towers' layers into H sub-spaces each. The user tower reads the
    fields of user and context, history included, the item tower those of the item; each refines them by Light-SE.
    The towers meet in the score only, so that items' vectors can be stored; what they share is the embedding of an
    item, which stands for it on either side.

    `loss` adds the contrastive regularisation (CIR), InfoNCE of U_L and V_L over rows with label 1: of all their items,
    the user's own is the most similar. Rows of the same item are not held against each other, for that item is no
    negative; two items that one user liked are, as usual with negatives of the batch.

    Sizes are those of the authors' code (github.com/archersama/IntTower, its Amazon script), which adds CIR with weight
    1 to the *sum* of a batch's losses; so does this, with both divided by the number of rows. Among the differences:
    there U_l is read from the *input* of layer l, which leaves the last user layer untrained, InfoNCE takes the label
    for the place of the positive item, and towers have batch normalisation.
    """

    api_version = 1
    category = "single_domain"

    class Config(CTRModel.Config):
        """Sizes of the towers and of their sub-spaces, and the contrastive regularisation."""

        embedding_dim: Size = 32
        hidden: Sizes = (300, 300, 300)
        dropout: Rate = 0.3
        heads: Size = 2
        head_dim: Size = 64
        contrastive_weight: Weight = 1.0
        temperature: Annotated[float, Field(ge=1e-3, allow_inf_nan=False)] = 0.07

        @model_validator(mode="after")
        def _has_layers(self) -> Self:
            if not self.hidden:
                raise ValueError("hidden is empty: a tower needs at least one layer, such as (300,)")
            return self

    def __init__(self, config: Config, features: FeatureInfo, domains: tuple[str, ...]) -> None:
        super().__init__(config, features, domains)
        self.user_fields, self.item_fields = features.owned_by("user", "context"), features.owned_by("item")
        if not self.user_fields or not self.item_fields or "item" not in features.ids:
            raise ConfigError(
                "IntTower needs a field of the user or context, and an id field 'item' of the item; this dataset has "
                f"{_names(features, self.user_fields)} and {_names(features, self.item_fields)}: see `of` in its fields"
            )
        self.item = features.ids.index("item")
        self.embedding = FieldEmbedding(features, config.embedding_dim)
        self.user_tower = Tower(len(self.user_fields), config)
        self.item_tower = Tower(len(self.item_fields), config)
        width = config.heads * config.head_dim
        self.user_heads = nn.ModuleList(nn.Linear(layer, width) for layer in config.hidden)
        self.item_heads = nn.Linear(config.hidden[-1], width)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, batch: Batch) -> Tensor:
        """(B,) logits; every domain shares one head."""
        return self.bias + fe_score(*self.vectors(batch))

    def loss(self, batch: Batch) -> Tensor:
        """Mean binary cross-entropy of the labels, plus the weighted contrastive regularisation per row."""
        users, items = self.vectors(batch)
        click = functional.binary_cross_entropy_with_logits(self.bias + fe_score(users, items), batch.label)
        ids, positive = batch.x["ids"][:, self.item], batch.label > 0
        last, temperature = users[:, -1].flatten(1), self.config.temperature
        contrast = info_nce(last, items.flatten(1), ids, positive, temperature)
        return click + self.config.contrastive_weight * contrast / len(batch)

    def vectors(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Each row's user in the sub-spaces of all layers (B, L, H, k), and its item in those of the last (B, H, k)."""
        fields, sub_spaces = self.embedding(batch).unbind(1), (self.config.heads, self.config.head_dim)
        user_layers = self.user_tower(torch.stack([fields[place] for place in self.user_fields], dim=1))
        item_layers = self.item_tower(torch.stack([fields[place] for place in self.item_fields], dim=1))
        projected = [heads(layer) for heads, layer in zip(self.user_heads, user_layers, strict=True)]
        users = torch.stack(projected, dim=1).unflatten(2, sub_spaces)
        return users, self.item_heads(item_layers[-1]).unflatten(1, sub_spaces)


def fe_score(users: Tensor, items: Tensor) -> Tensor:
    """sum_l sum_h max_k <U_{l,h}, V_k>: users (B, L, H, k) and items (B, H, k) to (B,)."""
    return (users.flatten(1, 2) @ items.transpose(1, 2)).amax(2).sum(1)  # from (B, L * H, H)


def info_nce(users: Tensor, items: Tensor, ids: Tensor, positive: Tensor, temperature: float) -> Tensor:
    """Mean over positive rows i of -log(exp s_ii / sum_j exp s_ij), s_ij = cos(u_i, v_j) / temperature.

    j runs over i and the positive rows of other items. Users and items (B, k), item ids and positive (B,). Zero, not
    NaN, where no or one row is positive.
    """
    scores = functional.normalize(users, dim=1) / temperature @ functional.normalize(items, dim=1).T  # (B, B)
    rivals = positive & (ids[:, None] != ids)
    compared = scores.float().masked_fill(~rivals.fill_diagonal_(True), float("-inf"))
    return -(compared.log_softmax(1).diagonal() * positive).sum() / positive.sum().clamp(min=1)


def _names(features: FeatureInfo, places: list[int]) -> str:
    return ", ".join(features.names[place] for place in places) or "none"
