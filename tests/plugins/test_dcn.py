"""DCN against its equations in plain loops, and against deepctr-torch's own layer and model."""

import pytest
import torch
from pydantic import ValidationError

from ctrbench.api import deepctr_module
from ctrbench_plugins.models.dcn import DCN, CrossNetwork
from tests import peers
from tests.toys import build, toy_batch


def random_cross(width: int, layers: int) -> CrossNetwork:
    cross = CrossNetwork(width, layers)
    with torch.no_grad():
        cross.weight.normal_(std=0.5)
        cross.bias.normal_()
    return cross


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_cross_network_is_the_recursion_layer_by_layer(layers):
    cross, rows = random_cross(5, layers), torch.randn(6, 5)
    for x_0, x_last in zip(rows, cross(rows), strict=True):
        x = x_0
        for w, b in zip(cross.weight, cross.bias, strict=True):
            dot = sum(x[k] * w[k] for k in range(5))
            x = torch.stack([x_0[k] * dot + b[k] + x[k] for k in range(5)])
        torch.testing.assert_close(x_last, x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("layers", [1, 3, 6])
def test_cross_network_and_its_gradients_are_those_of_deepctr_torch(layers):
    theirs = deepctr_module("layers.interaction").CrossNet(8, layers, parameterization="vector").double()
    ours = random_cross(8, layers).double()
    with torch.no_grad():
        theirs.kernels.copy_(ours.weight[:, :, None])
        theirs.bias.copy_(ours.bias[:, :, None])
    x = torch.randn(16, 8, dtype=torch.float64)
    mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    weights = torch.randn(16, 8, dtype=torch.float64)
    (ours(mine) * weights).sum().backward()
    (theirs(other) * weights).sum().backward()
    torch.testing.assert_close(ours(mine), theirs(other))
    torch.testing.assert_close(mine.grad, other.grad)
    torch.testing.assert_close(ours.weight.grad, theirs.kernels.grad[:, :, 0])
    torch.testing.assert_close(ours.bias.grad, theirs.bias.grad[:, :, 0])


def test_logit_is_one_layer_over_cross_and_deep_outputs_and_nothing_else():
    model, featurizer = build("dcn")
    batch, model = toy_batch(featurizer), model.eval()
    with torch.no_grad():
        model.embedding.table.weight.normal_()
    x = model.embedding(batch).flatten(1)
    w = model.head.weight[0]
    stacked = [torch.cat([model.cross(row[None])[0], model.deep(row[None])[0]]) for row in x]
    expected = torch.stack([(w * row).sum() for row in stacked])
    torch.testing.assert_close(model(batch), expected, atol=1e-4, rtol=1e-4)
    names = {name.partition(".")[0] for name, _ in model.named_parameters()}
    assert names == {"embedding", "cross", "deep", "head"}  # no linear term


def test_a_matrix_kernel_is_another_model():
    """With vectors, x_L moves along x_0 only; DCN-V2's matrices turn it."""
    layer = deepctr_module("layers.interaction").CrossNet
    matrix, vector = layer(6, 2, parameterization="matrix"), random_cross(6, 2)
    with torch.no_grad():
        vector.bias.zero_()
    x = torch.randn(10, 6)
    similarity = torch.nn.functional.cosine_similarity
    torch.testing.assert_close(similarity(vector(x), x).abs(), torch.ones(10))
    assert (similarity(matrix(x), x).abs() < 0.99).any()
    assert sum(p.numel() for p in vector.parameters()) == 2 * 6 * 2  # d x L_c x 2 (Section 2.2)
    with torch.no_grad():  # the vector kernel is the matrix kernel with equal rows
        matrix.kernels.copy_(vector.weight[:, None, :].expand_as(matrix.kernels))
    torch.testing.assert_close(matrix(x), vector(x), atol=1e-5, rtol=1e-4)


def test_logits_are_those_of_deepctr_torch_without_its_linear_term():
    kind = deepctr_module("models.dcn").DCN
    sizes = {"cross_num": 3, "cross_parameterization": "vector", "dnn_hidden_units": (16, 8)}
    theirs = kind(peers.columns(6), peers.columns(6), **sizes, task="regression", init_std=0.5).eval()
    ours = DCN(DCN.Config(embedding_dim=6, cross_layers=3, hidden=(16, 8)), peers.INFO, ("all",)).eval()
    with torch.no_grad():
        for table in theirs.linear_model.embedding_dict.values():
            table.weight.zero_()
        theirs.crossnet.bias.normal_()
        ours.cross.weight.copy_(theirs.crossnet.kernels[:, :, 0])
        ours.cross.bias.copy_(theirs.crossnet.bias[:, :, 0])
    peers.copy_table(ours.embedding.table, theirs.embedding_dict)
    peers.copy_linears(ours.deep, theirs.dnn.linears)
    peers.copy_linears(ours.head, [theirs.dnn_linear])
    x, batch = peers.same_rows()
    peers.assert_same_logits(ours(batch), theirs(x)[:, 0])


def test_no_cross_layer_is_refused():
    with pytest.raises(ValidationError, match="cross_layers"):
        DCN.Config(cross_layers=0)
