"""Which parts of a model belong to a domain."""

from __future__ import annotations

from torch import nn

from ctrbench.models.per_domain import PerDomain


def domain_parts(model: nn.Module) -> dict[str, PerDomain]:
    """All that the model keeps per domain, by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, PerDomain)}


def own_names(model: nn.Module, domain: str) -> set[str]:
    """Names of the parameters and buffers that belong to a domain."""
    networks = {id(part[domain]) for part in domain_parts(model).values() if domain in part}
    prefixes = tuple(f"{name}." for name, module in model.named_modules() if id(module) in networks)
    every = [*dict(model.named_parameters()), *dict(model.named_buffers())]
    return {name for name in every if name.startswith(prefixes)} if prefixes else set()
