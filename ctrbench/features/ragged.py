"""Rows of unequal length without padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ragged:
    """N sequences in one flat tensor.

    `values` (total,) integers; `offsets` (N + 1,) int64, sequence n is `values[offsets[n]:offsets[n + 1]]`.
    `pad` fills a padded batch on the right; `mask`, if given, names the attention mask that a batch gets too.
    """

    values: Tensor
    offsets: Tensor
    pad: int = 0
    mask: str | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Tensor:
        """(N,) int64."""
        return self.offsets.diff()

    def select(self, rows: Tensor) -> Ragged:
        """The sequences `rows` (n,) int64 alone, in this order, without padding."""
        starts, lengths = self._places(rows)
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
        where = torch.arange(int(offsets[-1])) + (starts - offsets[:-1]).repeat_interleave(lengths)
        return replace(self, values=self.values.index_select(0, where), offsets=offsets)

    @staticmethod
    def joined(parts: Sequence[Ragged]) -> Ragged:
        """The sequences of some, one after the other; at least one."""
        lengths = torch.cat([part.lengths for part in parts])
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
        return replace(parts[0], values=torch.cat([part.values for part in parts]), offsets=offsets)

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The sequences `rows` (B,) int64, padded to the longest: values (B, T) int64 and mask (B, T) bool; T >= 1."""
        starts, lengths = self._places(rows)
        width = max(int(lengths.max()), 1) if len(rows) else 1
        steps = torch.arange(width)
        mask = steps < lengths[:, None]  # (B, T)
        if not len(self.values):
            return torch.full(mask.shape, self.pad, dtype=torch.int64), mask
        where = (starts[:, None] + steps).clamp_(max=len(self.values) - 1)
        values = self.values.index_select(0, where.flatten()).view_as(where)  # several times as fast as indexing
        return values.to(torch.int64).masked_fill_(~mask, self.pad), mask

    def _places(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Where the sequences `rows` begin, and their lengths."""
        starts = self.offsets.index_select(0, rows)
        return starts, self.offsets.index_select(0, rows + 1) - starts
