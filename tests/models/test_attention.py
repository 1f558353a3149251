"""Weights over histories of unequal length."""

import torch

from ctrbench.models.layers.attention import masked_softmax


def test_weights_are_a_softmax_of_what_is_there():
    scores = torch.randn(3, 5)
    mask = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0]]).bool()
    weights = masked_softmax(scores, mask)
    for row in range(3):
        there = scores[row][mask[row]].exp()
        torch.testing.assert_close(weights[row][mask[row]], there / there.sum())
    assert (weights[~mask] == 0).all()


def test_an_empty_row_has_no_weights_and_no_nan_on_the_way_back():
    scores = torch.randn(2, 4, requires_grad=True)
    mask = torch.tensor([[1, 0, 0, 0], [0, 0, 0, 0]]).bool()
    with torch.autograd.detect_anomaly(check_nan=True):
        weights = masked_softmax(scores, mask)
        (weights * torch.randn(2, 4)).sum().backward()
    assert (weights[1] == 0).all()
    assert (scores.grad[1] == 0).all()
