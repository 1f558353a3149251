"""Featurised rows to batches: one vectorised gather per batch, no padding beyond the batch's longest row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl
import torch
from torch import Tensor

from ctrbench.errors import DataError
from ctrbench.features.batch import Batch
from ctrbench.features.ragged import Ragged

View: TypeAlias = Callable[[pl.DataFrame, pl.DataFrame], Mapping[str, Tensor | Ragged]]
"""Rows and items to features, as a fitted `Featurizer` does."""


@dataclass(frozen=True)
class Rows:
    """A split as one model sees it: N rows.

    `features`: tensors (N, ...) or `Ragged` of N; int32 is int64 in batches. `domain` (N,) indexes `domains`;
    `label` (N,) is 0 or 1; `row_id` (N,) int64.
    """

    features: Mapping[str, Tensor | Ragged]
    domain: Tensor
    domains: tuple[str, ...]
    label: Tensor
    row_id: Tensor

    @classmethod
    def build(cls, rows: pl.DataFrame, items: pl.DataFrame, featurizer: View, domains: Sequence[str]) -> Rows:
        """Featurise `rows`; a domain that is not among `domains` is an error."""
        names = rows["domain"].cast(pl.String)
        unknown = set(names.unique()) - set(domains)
        if unknown:
            raise DataError(f"rows of domain '{min(unknown)}' are not among {', '.join(domains)}")
        codes = names.replace_strict(domains, range(len(domains)), return_dtype=pl.Int16)
        return cls(
            features=featurizer(rows, items),
            domain=torch.from_numpy(codes.to_numpy(writable=True)),
            domains=tuple(domains),
            label=torch.from_numpy(rows["label"].to_numpy().astype(np.int8)),
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
                x[name] = _wide(feature.index_select(0, rows))
        domain, label, row_id = (own.index_select(0, rows) for own in (self.domain, self.label, self.row_id))
        return Batch(x, domain.long(), self.domains, label.float(), row_id)

    def domain_of(self, rows: Tensor) -> Tensor:
        """What `batch` would say of the domains of the rows with these indices."""
        return self.domain.index_select(0, rows)

    def prepare(self, rows: Tensor) -> None:
        """Get ready for batches of the rows with these ascending indices; here, they are at hand."""

    @property
    def lengths(self) -> Tensor | None:
        """(N,) tokens per row, where there are tokens to pad."""
        masked = [f.lengths for f in self.features.values() if isinstance(f, Ragged) and f.mask is not None]
        return torch.stack(masked).amax(0) if masked else None


def _wide(tensor: Tensor) -> Tensor:
    return tensor.long() if tensor.dtype == torch.int32 else tensor


def batches(rows: Rows, order: Iterable[Tensor]) -> Iterator[Batch]:
    """The batches of `order`, each made when it is asked for."""
    return map(rows.batch, order)


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
