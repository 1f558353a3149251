"""Featurised rows to batches: one vectorised gather per batch, no padding beyond the batch's longest row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

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
_PADDING = 0.05  # share of an evaluation batch's places that may be padding


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

    Rows with tokens are sorted by length within pools of batches, so that a batch's rows are about equally long. In a
    batch, each domain's rows stand together, so that none need be moved to their network.
    """
    generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
    order = torch.randperm(len(rows), generator=generator)
    lengths = rows.lengths
    if lengths is None:
        return _grouped(rows, order.split(batch_size))
    pools = order.split(batch_size * _POOL)
    batches = [b for pool in pools for b in pool[lengths[pool].argsort(stable=True)].split(batch_size)]
    return _grouped(rows, [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()])


def eval_order(rows: Rows, batch_size: int) -> list[Tensor]:
    """Every row once, rows of equal length together, in a batch those of a domain; no batch where there is no row.

    A batch has fewer than `batch_size` rows where more than 5 % of its places would be padding.
    """
    lengths = rows.lengths
    if lengths is None:
        return _grouped(rows, torch.arange(len(rows)).split(batch_size)) if len(rows) else []
    order = lengths.argsort(stable=True, descending=True)
    return _grouped(rows, order.split(_sizes(lengths[order].numpy(), batch_size)))


def _grouped(rows: Rows, order: Iterable[Tensor]) -> list[Tensor]:
    """The same batches, in each of which rows stand by domain."""
    return [indices[rows.domain[indices].argsort(stable=True)] for indices in order]


def _sizes(lengths: np.ndarray, batch_size: int) -> list[int]:
    """Of batches of rows with these descending lengths."""
    ends, counts = np.concatenate([[0], lengths.cumsum()]), np.arange(1, batch_size + 1)
    sizes: list[int] = []
    start = 0
    while start < len(lengths):
        tokens = ends[start + 1 : start + 1 + batch_size] - ends[start]
        places = lengths[start] * counts[: len(tokens)]
        sizes.append(int((tokens >= (1 - _PADDING) * places).sum()))
        start += sizes[-1]
    return sizes


class Padding(NamedTuple):
    """Of some batches: real `tokens`, and the `places` (rows times longest row, summed) that they are computed in."""

    tokens: int
    places: int

    @property
    def waste(self) -> float:
        """Share of the places that hold no token."""
        return 1 - self.tokens / self.places if self.places else 0.0


def padding(rows: Rows, order: Sequence[Tensor]) -> Padding:
    """What the batches of `order` will hold, without making them; nothing where rows have no tokens."""
    lengths = rows.lengths
    if lengths is None:
        return Padding(0, 0)
    found = [lengths[indices] for indices in order]
    return Padding(sum(int(f.sum()) for f in found), sum(len(f) * max(int(f.max()), 1) for f in found))


def batches(rows: Rows, order: Sequence[Tensor], skip: int = 0) -> Iterator[Batch]:
    """The batches of `order`, without the first `skip` of them."""
    return (rows.batch(indices) for indices in order[skip:])


def prefetch(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The same batches on `device`, grouped by domain.

    For a GPU the next batch is made in a thread while this one is used, and its transfer waits for nothing. The
    thread ends with the iterator, also where that is left early, and what goes wrong in it is raised here.
    """
    if device.type != "cuda":
        return (batch.to(device) for batch in batches)
    index = torch.cuda.current_device() if device.index is None else device.index
    pool = ThreadPoolExecutor(1, "batches", torch.cuda.set_device, (index,))
    pinned = (batch.map(Tensor.pin_memory) for batch in batches)
    return (batch.to(device) for batch in _ahead(pinned, pool))


def _ahead(batches: Iterator[Batch], pool: ThreadPoolExecutor) -> Iterator[Batch]:
    """The same batches, each made by `pool` while the one before it is used."""
    with pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch
