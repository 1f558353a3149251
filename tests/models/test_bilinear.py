"""Bilinear products of fields: the equation, in order, with as many matrices as the kind says."""

from itertools import combinations

import pytest
import torch

from ctrbench.models.layers.bilinear import FieldBilinear
from ctrbench.models.layers.product import inner_products

KINDS = {"all": 1, "each": 3, "interaction": 6}
"""Each kind's number of matrices for four fields."""


def matrix(layer: FieldBilinear, i: int, pair: int) -> torch.Tensor:
    return layer.kernel[{"all": 0, "each": i, "interaction": pair}[layer.kind]]


@pytest.mark.parametrize("kind", KINDS)
def test_products_are_those_of_a_loop_over_pairs(kind):
    layer, embedded = FieldBilinear(4, 5, kind), torch.randn(3, 4, 5)
    with torch.no_grad():
        layer.kernel.normal_()
    out = layer(embedded)
    assert out.shape == (3, 6, 5)
    assert len(layer.kernel) == KINDS[kind]
    for row in range(3):
        for pair, (i, j) in enumerate(combinations(range(4), 2)):
            w = matrix(layer, i, pair)
            for k in range(5):
                left = sum(embedded[row, i, m] * w[m, k] for m in range(5))
                torch.testing.assert_close(out[row, pair, k], left * embedded[row, j, k], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_identity_matrices_give_the_inner_products_in_the_same_order(kind):
    layer, embedded = FieldBilinear(4, 5, kind), torch.randn(3, 4, 5)
    with torch.no_grad():
        layer.kernel.copy_(torch.eye(5).expand_as(layer.kernel))
    torch.testing.assert_close(layer(embedded).sum(2), inner_products(embedded))


@pytest.mark.parametrize("kind", KINDS)
def test_every_matrix_learns(kind):
    layer = FieldBilinear(4, 5, kind)
    layer(torch.randn(3, 4, 5)).sum().backward()
    assert (layer.kernel.grad.abs().sum((1, 2)) > 0).all()
