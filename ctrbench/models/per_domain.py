"""One sub-network per domain, keyed by name; a row visits only its own domain's network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

import torch
from torch import Tensor, nn

from ctrbench.errors import UnknownDomain

if TYPE_CHECKING:
    from ctrbench.features.batch import Batch


class PerDomain(nn.Module):
    """Sub-networks made by `build`, one for each of `domains`; `per_domain["books"]` is one of them.

    Domains may be added and removed by name without renumbering the others. Cost follows the rows of the batch and
    the domains present in it, never the number of domains. Raises `UnknownDomain` for rows of a domain without one.
    """

    def __init__(self, build: Callable[[], nn.Module], domains: Iterable[str]) -> None:
        super().__init__()
        self.build = build
        self.networks = nn.ModuleDict()
        for domain in domains:
            self.add(domain)

    def __contains__(self, domain: str) -> bool:
        return _key(domain) in self.networks

    def __getitem__(self, domain: str) -> nn.Module:
        if domain not in self:
            raise UnknownDomain(f"no network for domain '{domain}': name a head (general, mean or a training domain)")
        return self.networks[_key(domain)]

    def add(self, domain: str) -> nn.Module:
        """Build, keep and return a network for `domain`, in place of one that it has."""
        network = self.build()
        self.networks[_key(domain)] = network
        return network

    def remove(self, domain: str) -> None:
        """Drop the network of `domain`; `KeyError` where it has none."""
        del self.networks[_key(domain)]

    def forward(self, batch: Batch, *tensors: Tensor) -> Tensor:
        """Each row of `tensors` (B, ...) through its own domain's network; (B, ...), rows in the batch's order.

        Rows are brought together once for all domains, and not at all in a batch that holds them so: its cost, and
        that of its gradient, does not grow with the number of domains.
        """
        groups = batch.groups
        if len(groups) == 1:
            return self[groups[0][0]](*tensors)
        order = torch.cat([rows for _, rows in groups])
        counts = [len(rows) for _, rows in groups]
        if not batch.grouped:
            tensors = tuple(tensor.index_select(0, order) for tensor in tensors)
        parts = zip(*(tensor.split(counts) for tensor in tensors), strict=True)
        outputs = torch.cat([self[name](*part) for (name, _), part in zip(groups, parts, strict=True)])
        return outputs if batch.grouped else torch.empty_like(outputs).index_copy(0, order, outputs)

    def route(self, batch: Batch, call: Callable[[nn.Module, Tensor | slice], Tensor]) -> Tensor:
        """`call(network, rows)` for each present domain, where `rows` indexes its rows; (B, ...) in the batch's order.

        For networks that need more than rows, e.g. weights that all domains share.
        """
        groups = batch.groups
        if len(groups) == 1:
            return call(self[groups[0][0]], slice(None))
        outputs = torch.cat([call(self[name], rows) for name, rows in groups])
        order = torch.cat([rows for _, rows in groups])
        return torch.empty_like(outputs).index_copy(0, order, outputs)

    def hidden(self, batch: Batch, x: Tensor) -> Tensor:
        """What each row of x (B, ...) is before its own domain's last layer; the networks are `nn.Sequential`."""
        return self.route(batch, lambda network, rows: cast("nn.Sequential", network)[:-1](x[rows]))


def _key(domain: str) -> str:
    """A module name for any domain name: no dots, no clash with a module's own attributes."""
    return "domain_" + quote(domain, safe="").replace(".", "%2E")
