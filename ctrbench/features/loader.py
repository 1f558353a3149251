"""Featurised rows to batches: one vectorised gather per batch, no padding beyond the batch's longest row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from torch import Tensor

from ctrbench.errors import DataError
from ctrbench.features.batch import Batch
from ctrbench.features.ragged import Ragged

if TYPE_CHECKING:
    from ctrbench.features.featurizer import Featurizer

_POOL = 64  # batches that are sorted by length together: little padding, and batches stay random


@dataclass(frozen=True)
class Rows:
    """A split as one model sees it: N rows.

    `features`: tensors (N, ...) or `Ragged` of N. `domain` (N,) int64 indexes `domains`; `label` (N,) float32;
    `row_id` (N,) int64.
    """

    features: Mapping[str, Tensor | Ragged]
    domain: Tensor
    domains: tuple[str, ...]
    label: Tensor
    row_id: Tensor

    @classmethod
    def build(cls, rows: pl.DataFrame, items: pl.DataFrame, featurizer: Featurizer, domains: Sequence[str]) -> Rows:
        """Featurise `rows`; a domain that is not among `domains` is an error."""
        unknown = set(rows["domain"].unique()) - set(domains)
        if unknown:
            raise DataError(f"rows of domain '{min(unknown)}' are not among {', '.join(domains)}")
        codes = rows["domain"].replace_strict(domains, range(len(domains)), return_dtype=pl.Int64)
        return cls(
            features=featurizer(rows, items),
            domain=torch.from_numpy(codes.to_numpy().copy()),
            domains=tuple(domains),
            label=torch.from_numpy(rows["label"].to_numpy().astype(np.float32)),
            row_id=torch.from_numpy(rows["row_id"].to_numpy().copy()),
        )

    def __len__(self) -> int:
        return len(self.domain)

    def batch(self, rows: Tensor) -> Batch:
        """The rows with indices `rows` (B,)."""
        x: dict[str, Tensor] = {}
        for name, feature in self.features.items():
            if isinstance(feature, Ragged):
                x[name], mask = feature.take(rows)
                if feature.mask is not None:
                    x[feature.mask] = mask
            else:
                x[name] = feature[rows]
        return Batch(x, self.domain[rows], self.domains, self.label[rows], self.row_id[rows])

    @property
    def lengths(self) -> Tensor | None:
        """(N,) tokens per row, where there are tokens to pad."""
        masked = [f.lengths for f in self.features.values() if isinstance(f, Ragged) and f.mask is not None]
        return torch.stack(masked).amax(0) if masked else None


def train_order(rows: Rows, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
    """A shuffled epoch as batches of row indices: a function of (seed, epoch) alone.

    Rows with tokens are sorted by length within pools of batches, so that a batch's rows are about equally long.
    """
    generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
    order = torch.randperm(len(rows), generator=generator)
    lengths = rows.lengths
    if lengths is None:
        return list(order.split(batch_size))
    pools = order.split(batch_size * _POOL)
    batches = [b for pool in pools for b in pool[lengths[pool].argsort(stable=True)].split(batch_size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def eval_order(rows: Rows, batch_size: int) -> list[Tensor]:
    """Every row once, rows of equal length together; no batch where there is no row."""
    lengths = rows.lengths
    order = torch.arange(len(rows)) if lengths is None else lengths.argsort(stable=True, descending=True)
    return list(order.split(batch_size)) if len(rows) else []


def batches(rows: Rows, order: Sequence[Tensor], skip: int = 0) -> Iterator[Batch]:
    """The batches of `order`, without the first `skip` of them."""
    return (rows.batch(indices) for indices in order[skip:])
