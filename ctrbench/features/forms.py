"""Other forms of a batch: some of its rows, another domain, a copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from ctrbench.features.batch import Batch


def part(batch: Batch, rows: Tensor) -> Batch:
    """The rows with these indices, in this order."""
    x = {key: value[rows] for key, value in batch.x.items()}
    return Batch(x, batch.domain[rows], batch.domains, batch.label[rows], batch.row_id[rows])


def routed(batch: Batch, domain: str) -> Batch:
    """The same rows, all of one domain; the batch still knows the names of all."""
    return replace(batch, domain=torch.full_like(batch.domain, batch.domains.index(domain)))


def clone(batch: Batch) -> Batch:
    """The same values in tensors of their own."""
    x = {key: value.clone() for key, value in batch.x.items()}
    return Batch(x, batch.domain.clone(), batch.domains, batch.label.clone(), batch.row_id.clone())


def tensors(batch: Batch) -> dict[str, Tensor]:
    """All that a batch holds, by name."""
    return {**batch.x, "domain": batch.domain, "label": batch.label, "row_id": batch.row_id}


def untold(batch: Batch) -> Iterator[tuple[str, Batch]]:
    """The same rows with other values of what is no feature, each with its name: labels and row ids.

    Labels that are no number show also where what reads them has no weight yet.
    """
    for label in (1 - batch.label, torch.full_like(batch.label, float("nan"))):
        yield "label", replace(batch, label=label)
    yield "row_id", replace(batch, row_id=batch.row_id.flip(0) + 1)
