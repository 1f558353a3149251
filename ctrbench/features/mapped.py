"""Files as tensors: read from disk when they are used, and forgotten when asked to."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path
from weakref import WeakSet

import torch
from torch import Tensor

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
