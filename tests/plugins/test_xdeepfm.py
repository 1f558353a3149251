"""xDeepFM against its equations in plain loops, and against deepctr-torch's own model."""

import pytest
import torch

from ctrbench.api import deepctr_module
from ctrbench_plugins.models.xdeepfm import CIN, XDeepFM
from tests import peers
from tests.toys import build, toy_batch

NARROW, WIDE = (4, 3, 2), (40, 30, 20)
"""Sizes whose identity CIN of four fields is computed layer by layer, and as a polynomial."""


def loop(cin, embedded, relu, split):
    """A row's (F, d) through equations 6 to 8, one product at a time."""
    fields, dim = embedded.shape
    logit, maps = 0.0, [embedded[i] for i in range(fields)]
    for depth, (weight, output) in enumerate(zip(cin.weights, cin.outputs, strict=True)):
        new = []
        for h in range(len(weight)):
            total = torch.zeros(dim, dtype=embedded.dtype)
            for i in range(len(maps)):
                for j in range(fields):
                    total = total + weight[h, i, j] * (maps[i] * embedded[j])
            new.append(total.clamp(min=0) if relu else total)
        halve = split and depth < len(cin.weights) - 1
        pooled = new[len(new) // 2 :] if halve else new
        maps = new[: len(new) // 2] if halve else new
        logit = logit + sum(w * p.sum() for w, p in zip(output, pooled, strict=True))
    return logit


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("activation", ["identity", "relu"])
@pytest.mark.parametrize("sizes", [NARROW, (4, 4, 3), WIDE, (6,)])
def test_cin_is_the_equation(sizes, activation, split):
    torch.manual_seed(0)
    cin, embedded = CIN(4, sizes, activation, split).double(), torch.randn(2, 4, 3, dtype=torch.double)
    expected = torch.stack([loop(cin, row, activation == "relu", split) for row in embedded])
    assert expected.abs().min() > 1e-3
    torch.testing.assert_close(cin(embedded), expected)


@pytest.mark.parametrize("split", [False, True])
def test_polynomial_and_layers_agree_in_logits_and_gradients(split):
    torch.manual_seed(0)
    cin, embedded = CIN(4, WIDE, split=split).double(), torch.randn(5, 4, 3, dtype=torch.double, requires_grad=True)
    inputs = (embedded, *cin.parameters())
    assert cin.is_polynomial
    short = cin(embedded)
    cin.is_polynomial = False
    long = cin(embedded)
    torch.testing.assert_close(short, long)
    gradients = (torch.autograd.grad(logits.square().sum(), inputs) for logits in (short, long))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_the_cheaper_way_is_taken():
    assert not CIN(4, NARROW).is_polynomial
    assert CIN(4, WIDE).is_polynomial
    assert not CIN(4, WIDE, "relu").is_polynomial, "its maps are no polynomials of the embeddings"
    with torch.device("meta"):
        assert CIN(7, (200, 200, 200)).is_polynomial
        assert not CIN(60, (200, 200, 200)).is_polynomial, "F^4 terms are more than the layers' products"


@pytest.mark.parametrize("activation", ["identity", "relu"])
def test_rows_taken_in_parts_give_the_same_logits(activation, monkeypatch):
    torch.manual_seed(0)
    cin, embedded = CIN(4, WIDE, activation), torch.randn(11, 4, 3)
    whole = cin(embedded)
    monkeypatch.setattr("ctrbench_plugins.models.xdeepfm._PART", cin.widest * 3 * 4)  # four rows at a time
    torch.testing.assert_close(cin(embedded), whole)


def test_logit_is_the_sum_of_linear_part_cin_and_mlp():
    model, featurizer = build("xdeepfm")
    batch, model = toy_batch(featurizer), model.eval()
    with torch.no_grad():  # embeddings start near zero, where every product would pass
        model.embedding.table.weight.normal_()
        model.bias.fill_(0.5)
    (embedded, first), logits = model.embedding(batch), model(batch)
    for row in range(len(batch)):
        cin = loop(model.cin, embedded[row], relu=False, split=False)
        logit = 0.5 + sum(first[row]) + cin + model.mlp(embedded[row].flatten()[None])[0, 0]
        torch.testing.assert_close(logits[row], logit, atol=1e-3, rtol=1e-4)


def test_second_factor_is_always_the_embeddings():
    """Three layers of ones give (sum of the fields)^4; were the second factor X^{k-1}, the power would be 8."""
    cin = CIN(2, (1, 1, 1))
    with torch.no_grad():
        for parameter in cin.parameters():
            parameter.fill_(1.0)
        for output in cin.outputs[:2]:
            output.zero_()
    assert cin(torch.tensor([[[1.0], [2.0]]])).item() == 3.0**4


@pytest.mark.parametrize(
    ("theirs_activation", "activation", "split"),
    [("relu", "relu", True), ("relu", "relu", False), ("linear", "identity", False), ("linear", "identity", True)],
)
def test_logits_are_those_of_deepctr_torch_with_the_same_weights(theirs_activation, activation, split):
    columns = peers.columns(6)
    kind = deepctr_module("models.xdeepfm").xDeepFM
    theirs = kind(
        columns,
        columns,
        dnn_hidden_units=(16, 8),
        cin_layer_size=(10, 8, 5),
        cin_activation=theirs_activation,
        cin_split_half=split,
        task="regression",
        init_std=0.5,
    ).eval()
    settings = {"cin": (10, 8, 5), "cin_activation": activation, "cin_split": split}
    ours = XDeepFM(XDeepFM.Config(embedding_dim=6, hidden=(16, 8), **settings), peers.INFO, ("all",)).eval()
    assert ours.cin.is_polynomial == (activation == "identity")
    with torch.no_grad():
        ours.bias.copy_(theirs.out.bias[0])
        for weight, convolution in zip(ours.cin.weights, theirs.cin.conv1ds, strict=True):
            convolution.bias.zero_()  # equation 6 has none
            weight.copy_(convolution.weight.view_as(weight))
        pooled = theirs.cin_linear.weight[0].split([len(output) for output in ours.cin.outputs])
        for output, part in zip(ours.cin.outputs, pooled, strict=True):
            output.copy_(part)
    peers.copy_table(ours.embedding.table, theirs.embedding_dict, theirs.linear_model.embedding_dict)
    peers.copy_linears(ours.mlp, [*theirs.dnn.linears, theirs.dnn_linear])
    x, batch = peers.same_rows()
    peers.assert_same_logits(ours(batch), theirs(x)[:, 0])


def test_impossible_sizes_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="cin is empty: give the number of maps of at least one layer"):
        XDeepFM.Config(cin=())
    with pytest.raises(ValueError, match=r"cin_split halves every layer of cin but the last, and cin is \(3, 4\)"):
        XDeepFM.Config(cin=(3, 4), cin_split=True)
    assert XDeepFM.Config(cin=(4, 3), cin_split=True).cin == (4, 3)
