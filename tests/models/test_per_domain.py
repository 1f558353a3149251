"""Routing: cost follows the rows, each row meets only its own network, order is kept."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ctrbench.features.batch import Batch
from ctrbench.models.per_domain import PerDomain

DOMAINS = ("a", "b", "c")


class Counting(nn.Module):
    """x -> factor x, and how many rows it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.randn(()))
        self.rows = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.rows += len(x)
        return x * self.factor


def batch_of(domain: list[int]) -> Batch:
    count = len(domain)
    return Batch({}, torch.tensor(domain), DOMAINS, torch.zeros(count), torch.arange(count))


def test_each_row_goes_through_its_own_network_only():
    part = PerDomain(Counting, DOMAINS)
    domain = [2, 0, 0, 2, 2]
    x = torch.randn(5, 3)
    out = part(batch_of(domain), x)
    for row, index in enumerate(domain):
        torch.testing.assert_close(out[row], x[row] * part[DOMAINS[index]].factor)
    assert [part[name].rows for name in DOMAINS] == [2, 0, 3]


def test_an_absent_domain_gets_no_gradient_at_all():
    part = PerDomain(Counting, DOMAINS)
    part(batch_of([0, 2, 0]), torch.randn(3, 2)).sum().backward()
    assert part["b"].factor.grad is None
    assert part["a"].factor.grad is not None


def test_groups_hold_every_row_once_in_order():
    groups = dict(batch_of([1, 0, 1, 1]).by_domain())
    assert {name: rows.tolist() for name, rows in groups.items()} == {"a": [1], "b": [0, 2, 3]}


def test_as_domain_routes_the_same_rows_elsewhere():
    part = PerDomain(Counting, DOMAINS)
    x = torch.randn(3, 2)
    torch.testing.assert_close(part(batch_of([0, 1, 2]).as_domain("b"), x), x * part["b"].factor)


@pytest.mark.parametrize("domain", [[0, 0, 1, 2, 2], [2, 0, 1, 0, 2], [1, 1, 1]])
def test_rows_may_stand_together_or_not(domain):
    part = PerDomain(Counting, DOMAINS)
    batch, x = batch_of(domain), torch.randn(len(domain), 3, requires_grad=True)
    assert batch.grouped == (domain == sorted(domain))
    assert batch.map(torch.clone).grouped == batch.grouped
    out = part(batch, x)
    factors = torch.stack([part[DOMAINS[index]].factor for index in domain])
    torch.testing.assert_close(out, x * factors[:, None])
    out.sum().backward()
    torch.testing.assert_close(x.grad, factors[:, None].expand(-1, 3))


def test_the_cost_of_routing_does_not_grow_with_the_number_of_domains():
    """A gradient is put together once for all domains, not once per domain."""
    sizes = {}
    for count in (2, 16):
        names = tuple(f"d{index}" for index in range(count))
        part, domain = PerDomain(Counting, names), torch.arange(count).repeat_interleave(32 // count)
        batch = Batch({}, domain, names, torch.zeros(32), torch.arange(32))
        x = torch.randn(32, 100, requires_grad=True)
        moved = Moved()
        out = part(batch, x).sum()
        with moved:
            out.backward()
        sizes[count] = moved.numbers
    assert sizes[16] <= 1.2 * sizes[2]


class Moved(TorchDispatchMode):
    """Counts the numbers that operations give."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        self.numbers += sum(value.numel() for value in tree_leaves(out) if isinstance(value, torch.Tensor))
        return out
