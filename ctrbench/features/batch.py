"""What a model reads: some rows of one or many domains.

Shapes: B rows in a batch, F fields, T tokens, d width of an embedding or hidden state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """B rows of one or many domains. A model reads it, and changes nothing in it.

    `x`: what the model's featurizer made. Of `IdFeaturizer` `ids` (B, F) int64, `numbers` (B, K) float32 and each
    history's ids (B, H) int64, 0 being padding; of `TextFeaturizer` `input_ids` and `attention_mask` (B, T).
    `domain`: (B,) int64, index into `domains`, which may be other ones, in another order, than the model was built
    with: heads go by name (`by_domain`, `PerDomain`). `label`: (B,) float32, 0 or 1. `row_id`: (B,) int64.
    """

    x: Mapping[str, Tensor]
    domain: Tensor
    domains: tuple[str, ...]
    label: Tensor
    row_id: Tensor

    def __len__(self) -> int:
        return len(self.domain)

    @cached_property
    def groups(self) -> list[tuple[str, Tensor]]:
        """The domains that are present, each with the indices of its rows; found once per batch."""
        if len(self.domains) == 1:
            return [(self.domains[0], torch.arange(len(self), device=self.domain.device))]
        order = torch.argsort(self.domain, stable=True)
        present, counts = torch.unique_consecutive(self.domain[order], return_counts=True)
        names = (self.domains[index] for index in present.tolist())
        return list(zip(names, order.split(counts.tolist()), strict=True))

    @cached_property
    def grouped(self) -> bool:
        """Whether each domain's rows stand together, in the order of `groups`; found once per batch."""
        return len(self.domains) == 1 or bool((self.domain.diff() >= 0).all())

    def by_domain(self) -> Iterator[tuple[str, Tensor]]:
        """Each present domain's name and the indices (n,) int64 of its rows, n >= 1, in the batch's order."""
        return iter(self.groups)

    def as_domain(self, name: str) -> Batch:
        """The same rows, routed to the head of domain `name`."""
        return replace(self, domain=torch.zeros_like(self.domain), domains=(name,))

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device, grouped by domain beforehand, so that no accelerator waits for it."""
        return self if device == self.domain.device else self.map(lambda t: t.to(device, non_blocking=True))

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The same batch with every tensor changed, its groups included."""
        x = {key: change(value) for key, value in self.x.items()}
        batch = Batch(x, change(self.domain), self.domains, change(self.label), change(self.row_id))
        batch.__dict__["groups"] = [(name, change(rows)) for name, rows in self.groups]
        batch.__dict__["grouped"] = self.grouped
        return batch
