"""Training steps on one fused table with sparse gradients, beside the same table with dense gradients and Adam.

    python benchmarks/speed/embedding.py

Prints milliseconds per step by vocabulary size and the ratio of the two in the same run: the sparse step's cost
follows the batch, the dense one's the vocabulary.
"""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn

from ctrbench.features.batch import Batch
from ctrbench.features.featurizer import FeatureInfo
from ctrbench.models.layers.embedding import FieldEmbedding

ROWS, FIELDS, DIM, STEPS = 2048, 6, 32, 12


def batch(vocabulary: int) -> Batch:
    ids = torch.randint(1, vocabulary, (ROWS, FIELDS))
    return Batch({"ids": ids}, torch.zeros(ROWS).long(), ("d",), torch.zeros(ROWS), torch.arange(ROWS))


def milliseconds(vocabulary: int, sparse: bool) -> float:
    """Median time of one forward, backward and optimiser step."""
    layer = FieldEmbedding(FeatureInfo(ids=tuple("abcdef"), vocabulary=vocabulary), DIM)
    if sparse:
        optimizer: torch.optim.Optimizer = torch.optim.SparseAdam(list(layer.parameters()), lr=1e-3)
    else:
        layer.table = nn.Embedding(vocabulary, DIM, padding_idx=0)
        optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
    times = []
    for _ in range(STEPS):
        rows = batch(vocabulary)
        start = time.perf_counter()
        layer(rows).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:]) * 1e3


def main() -> None:
    print(f"{ROWS} rows, {FIELDS} fields, d = {DIM}, {torch.get_num_threads()} threads; median of {STEPS - 2} steps")
    print(f"{'vocabulary':>12} {'sparse ms':>10} {'dense ms':>10} {'dense / sparse':>15}")
    for vocabulary in (10_000, 100_000, 1_000_000, 2_700_000):
        sparse, dense = milliseconds(vocabulary, sparse=True), milliseconds(vocabulary, sparse=False)
        print(f"{vocabulary:>12,} {sparse:>10.1f} {dense:>10.1f} {dense / sparse:>15.1f}")


if __name__ == "__main__":
    main()
