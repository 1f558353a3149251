"""Parts of a training step beside torch's own: dropout, and Adam for tables with sparse gradients.

    python benchmarks/speed/parts.py

Prints milliseconds and the ratio of the two in the same run, on one CPU thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

from ctrbench.models.layers.dropout import Dropout
from ctrbench.training.row_adam import RowAdam

ROWS, WIDTH, VOCABULARY, FIELDS, DIM, STEPS = 2048, 512, 2_650_000, 3, 32, 30


def milliseconds(step: Callable[[], float]) -> float:
    """Mean time that a step reports, after three for warm-up."""
    for _ in range(3):
        step()
    return sum(step() for _ in range(STEPS)) / STEPS * 1e3


def dropout(layer: nn.Module) -> float:
    """Forward and backward through a layer of 2,048 rows by 512 units."""
    x = torch.randn(ROWS, WIDTH, requires_grad=True)

    def step() -> float:
        start = time.perf_counter()
        layer(x).sum().backward()
        return time.perf_counter() - start

    return milliseconds(step)


def adam(kind: Callable[..., torch.optim.Optimizer]) -> float:
    """A step of the optimiser on the rows of a batch, of a table of the paper's size."""
    table = nn.Embedding(VOCABULARY, DIM, sparse=True)
    optimizer = kind(list(table.parameters()), lr=1e-3)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        table(torch.randint(0, VOCABULARY, (ROWS, FIELDS))).square().sum().backward()
        start = time.perf_counter()
        optimizer.step()
        return time.perf_counter() - start

    return milliseconds(step)


def main() -> None:
    torch.set_num_threads(1)
    pairs = {
        "dropout": (dropout(Dropout(0.3)), dropout(nn.Dropout(0.3))),
        "sparse Adam": (adam(RowAdam), adam(torch.optim.SparseAdam)),
    }
    print(f"{'part':<12} {'ours ms':>8} {'torch ms':>9} {'ratio':>6}")
    for name, (ours, theirs) in pairs.items():
        print(f"{name:<12} {ours:>8.1f} {theirs:>9.1f} {theirs / ours:>6.1f}")


if __name__ == "__main__":
    main()
