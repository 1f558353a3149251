"""Files as tensors, and as rows: read from disk when they are used, and forgotten soon after."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from weakref import WeakSet

import torch
from torch import Tensor

from ctrbench.features.batch import Batch
from ctrbench.features.loader import Rows
from ctrbench.features.ragged import Ragged

_AT_ONCE = 2**15  # rows that are copied before what was read of the files is let go of
_mappings: WeakSet[mmap.mmap] = WeakSet()


def mapped(path: Path, dtype: torch.dtype, shape: Sequence[int]) -> Tensor:
    """A file of plain numbers as a tensor; changes to it never reach the file, and last until the next `release`."""
    if 0 in shape:  # an empty file cannot be mapped
        return torch.empty(*shape, dtype=dtype)
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    _mappings.add(mapping)
    return torch.frombuffer(mapping, dtype=dtype).view(*shape)


def release() -> None:
    """Let go of the memory in which this process holds what it has read of mapped files, wherever the system can.

    They are read again when they are used, most likely from the system's own cache.
    """
    for mapping in list(_mappings) if hasattr(mmap, "MADV_DONTNEED") else ():
        mapping.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True)
class MappedRows(Rows):
    """Rows whose tensors are mapped from files.

    Those that `prepare` was last called with are in memory, and batches of them are made from there: single rows from
    all over a file would bring in their whole neighbourhoods.
    """

    _ready: list[_Ready] = field(default_factory=list, init=False, repr=False, compare=False)

    def batch(self, rows: Tensor) -> Batch:
        """The rows with indices `rows` (B,)."""
        where, places = self._find(rows)
        return where.batch(places) if where is not self else super().batch(rows)

    def domain_of(self, rows: Tensor) -> Tensor:
        """The domains of the rows with indices `rows`."""
        where, places = self._find(rows)
        return where.domain[places]

    def prepare(self, rows: Tensor) -> None:
        """Copy the rows with these ascending indices into memory, in place of those before; but no tokens."""
        self._ready.clear()
        release()
        if len(rows) and not any(isinstance(f, Ragged) and f.mask is not None for f in self.features.values()):
            self._ready.append(_Ready.of(self, rows))

    def _find(self, rows: Tensor) -> tuple[Rows, Tensor]:
        """Rows that hold those with indices `rows`, and their indices there."""
        for ready in self._ready:
            places = ready.find(rows)
            if places is not None:
                return ready.rows, places
        return self, rows


class _Ready(NamedTuple):
    """Some of the rows of another, in memory: runs that begin at the indices `first` (ascending), here at `place`."""

    rows: Rows
    first: Tensor
    place: Tensor

    @classmethod
    def of(cls, rows: Rows, indices: Tensor) -> _Ready:
        parts = []
        for some in indices.split(_AT_ONCE):
            parts.append(_select(rows, some))
            release()
        place = torch.cat([torch.zeros(1, dtype=torch.int64), (indices.diff() != 1).nonzero()[:, 0] + 1])
        return cls(_joined(parts), indices[place], place)

    def find(self, indices: Tensor) -> Tensor | None:
        """Where these rows are; None where not all are there."""
        run = torch.searchsorted(self.first, indices.contiguous(), right=True) - 1
        into = indices - self.first[run]
        sizes = torch.cat([self.place[1:], torch.tensor([len(self.rows)])]) - self.place
        return self.place[run] + into if bool(((run >= 0) & (into < sizes[run])).all()) else None


def _select(rows: Rows, some: Tensor) -> Rows:
    """Some of the rows, in memory."""
    features = {
        name: f.select(some) if isinstance(f, Ragged) else f.index_select(0, some) for name, f in rows.features.items()
    }
    domain, label, row_id = (own.index_select(0, some) for own in (rows.domain, rows.label, rows.row_id))
    return Rows(features, domain, rows.domains, label, row_id)


def _joined(parts: Sequence[Rows]) -> Rows:
    """Rows one after the other; at least one part."""
    features = {name: _join([part.features[name] for part in parts]) for name in parts[0].features}
    own = {name: torch.cat([getattr(part, name) for part in parts]) for name in ("domain", "label", "row_id")}
    return Rows(features, domains=parts[0].domains, **own)


def _join(parts: Sequence[Tensor | Ragged]) -> Tensor | Ragged:
    tensors = [part for part in parts if isinstance(part, Tensor)]
    return torch.cat(tensors) if tensors else Ragged.joined([part for part in parts if isinstance(part, Ragged)])
