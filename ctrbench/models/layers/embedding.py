"""All fields' embeddings in one table with sparse gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctrbench.features.batch import Batch
from ctrbench.features.featurizer import FeatureInfo


class FieldEmbedding(nn.Module):
    """(B, F, d): ids, then numbers (value x embedding), then histories (mean over their items).

    F and its order are `info.names`, d is `dim`; `std` is the deviation of the first weights. A step's cost follows the
    batch: gradients are sparse, and the table gets no dense update and no L2. Padding and ids that train did not hold
    start at zero, so that an unseen id says nothing.
    """

    def __init__(self, info: FeatureInfo, dim: int, std: float = 0.01) -> None:
        super().__init__()
        self.info = info
        self.table = nn.Embedding(info.vocabulary, dim, padding_idx=0, sparse=True)
        nn.init.normal_(self.table.weight, std=std)
        with torch.no_grad():
            self.table.weight[[0, *info.unseen]] = 0.0
        self.numbers = nn.Parameter(torch.empty(len(info.numbers), dim).normal_(std=std)) if info.numbers else None

    def forward(self, batch: Batch) -> Tensor:
        """Embeddings (B, F, d) of a batch."""
        parts = [self.table(batch.x["ids"])]  # (B, F_id, d)
        if self.numbers is not None:
            parts.append(batch.x["numbers"][:, :, None] * self.numbers)  # (B, K, d)
        parts.extend(self.history_mean(batch.x[name])[:, None] for name in self.info.histories)
        return torch.cat(parts, dim=1)

    def history(self, batch: Batch, name: str) -> tuple[Tensor, Tensor]:
        """A history's items, oldest first: embeddings (B, H, d), and a mask (B, H) that is False at padding."""
        ids = batch.x[name]
        return self.table(ids), ids != 0

    def history_mean(self, ids: Tensor) -> Tensor:
        """(B, H) ids, 0 = padding, to the mean (B, d) of the others' embeddings; zero for an empty history."""
        count = (ids != 0).sum(1, keepdim=True).clamp(min=1)
        return self.table(ids).sum(1) / count  # the padding row is zero


class WideEmbedding(nn.Module):
    """Each field's embedding e_i, of width d = `dim`, and first-order weight w_i, in one table.

    One look-up and one update for both; otherwise as `FieldEmbedding`.
    """

    def __init__(self, info: FeatureInfo, dim: int) -> None:
        super().__init__()
        self.both = FieldEmbedding(info, dim + 1)  # w_i is the last column

    @property
    def table(self) -> nn.Embedding:
        """The table, (vocabulary, d + 1)."""
        return self.both.table

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """e (B, F, d) and w (B, F)."""
        both = self.both(batch)  # (B, F, d + 1)
        return both[:, :, :-1], both[:, :, -1]
