"""Other forms of a batch: some of its rows, other domains, more padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from ctrbench.features.batch import Batch
from ctrbench.features.forms import clone, part, routed, tensors, untold
from ctrbench.features.ragged import Ragged

__all__ = ["clone", "of_domains", "one_each", "padded", "part", "renumbered", "routed", "spread", "tensors", "untold"]


def of_domains(batch: Batch, *domains: str) -> Batch:
    """The rows of these domains; the batch still knows the names of all."""
    rows = torch.cat([rows for name, rows in batch.by_domain() if name in domains])
    return part(batch, rows.sort().values)


def one_each(batch: Batch) -> Batch:
    """The first row of each domain."""
    return part(batch, torch.stack([rows[0] for _, rows in batch.by_domain()]))


def spread(batch: Batch, domains: Sequence[str]) -> Batch:
    """The same rows, dealt out to other domains one after another."""
    return replace(batch, domain=torch.arange(len(batch)) % len(domains), domains=tuple(domains))


def renumbered(batch: Batch) -> Batch:
    """The same rows of the same domains, whose names stand in the opposite order."""
    return replace(batch, domain=len(batch.domains) - 1 - batch.domain, domains=batch.domains[::-1])


def padded(batch: Batch, features: Mapping[str, Tensor | Ragged], extra: int) -> Batch:
    """The same rows with `extra` more places of padding in all that is padded."""
    x = dict(batch.x)
    for name, feature in features.items():
        if isinstance(feature, Ragged):
            x[name] = pad(x[name], (0, extra), value=feature.pad)
            if feature.mask is not None:
                x[feature.mask] = pad(x[feature.mask], (0, extra), value=False)
    return replace(batch, x=x)
