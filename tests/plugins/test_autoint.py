"""AutoInt against its equations in plain loops, and against deepctr-torch's own model."""

import pytest
import torch

from ctrbench.api import deepctr_module
from ctrbench_plugins.models.autoint import AutoInt, InteractingLayer
from tests import peers
from tests.toys import build, toy_batch


def loop(layer, fields):
    """A row's (F, w) through equations 5 to 8, one pair of fields at a time."""
    query, key, value, residual = layer.project.weight.chunk(4)  # each (H d', w)
    dim = len(query) // layer.heads
    rows = []
    for m in range(len(fields)):
        heads = []
        for h in range(layer.heads):
            own = slice(h * dim, (h + 1) * dim)
            scores = [((query[own] @ fields[m]) @ (key[own] @ field)).exp() for field in fields]
            heads.append(sum(s / sum(scores) * (value[own] @ field) for s, field in zip(scores, fields, strict=True)))
        rows.append((torch.cat(heads) + residual @ fields[m]).clamp(min=0))
    return torch.stack(rows)


@pytest.mark.parametrize(("heads", "head_dim"), [(1, 4), (2, 3), (3, 1)])
def test_interacting_layer_is_the_equation(heads, head_dim):
    torch.manual_seed(0)
    layer, fields = InteractingLayer(5, heads, head_dim), torch.randn(3, 4, 5)
    expected = torch.stack([loop(layer, row) for row in fields])
    assert expected.std() > 0.1
    torch.testing.assert_close(layer(fields), expected)


@pytest.mark.parametrize("deep", [True, False])
def test_logit_is_the_equation(deep):
    model, featurizer = build("autoint", deep=deep)
    batch, model = toy_batch(featurizer), model.eval()
    with torch.no_grad():  # embeddings start near zero, where every product would pass
        model.embedding.table.weight.normal_()
    embedded, logits = model.embedding(batch), model(batch)
    for row in range(len(batch)):
        fields = embedded[row]
        for layer in model.interacting:
            fields = loop(layer, fields)
        logit = model.output.weight[0] @ fields.flatten() + model.output.bias[0]
        if deep:
            logit = logit + model.mlp(embedded[row].flatten()[None])[0, 0]
        torch.testing.assert_close(logits[row], logit, atol=1e-4, rtol=1e-4)


def test_every_layer_keeps_a_residual_and_a_relu():
    """Without attention's values, a layer is ReLU(W_Res e): nothing is lost, and nothing negative goes on."""
    model, _ = build("autoint")
    fields = torch.randn(6, len(model.features.names), 8)
    for layer in model.interacting:
        with torch.no_grad():
            layer.project.weight.chunk(4)[2].zero_()
        residual = layer.project.weight.chunk(4)[3]
        torch.testing.assert_close(layer(fields), (fields @ residual.T).clamp(min=0))
        fields = layer(fields)
    assert len(model.interacting) == 3


def test_products_are_not_scaled():
    layer, fields = InteractingLayer(2, 1, 2), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    with torch.no_grad():
        layer.project.weight.copy_(torch.cat([torch.eye(2), torch.eye(2), torch.eye(2), torch.zeros(2, 2)]))
    weight = torch.tensor(1.0).sigmoid()  # of a field for itself, with a product of 1 against 0
    torch.testing.assert_close(layer(fields)[0], torch.stack([weight, 1 - weight, 1 - weight, weight]).view(2, 2))


def test_each_head_has_its_own_width_whatever_the_embeddings():
    model, _ = build("autoint", embedding_dim=5, heads=3, head_dim=4, layers=2)
    assert [layer.project.weight.shape for layer in model.interacting] == [(4 * 12, 5), (4 * 12, 12)]


def test_the_plain_model_has_no_mlp():
    model, _ = build("autoint", deep=False)
    assert not any(name.startswith("mlp") for name, _ in model.named_parameters())


@pytest.mark.parametrize("deep", [True, False])
def test_logits_are_those_of_deepctr_torch_with_the_same_weights(deep):
    columns = peers.columns(6)
    kind = deepctr_module("models.autoint").AutoInt
    hidden = (16, 8) if deep else ()
    theirs = kind(columns, columns, att_head_num=2, dnn_hidden_units=hidden, task="regression", init_std=0.5).eval()
    config = AutoInt.Config(embedding_dim=6, heads=2, head_dim=3, deep=deep, hidden=(16, 8))
    ours = AutoInt(config, peers.INFO, ("all",)).eval()
    interacted = 3 * 6  # fields x width, before their MLP in the last layer
    with torch.no_grad():
        for table in theirs.linear_model.embedding_dict.values():
            table.weight.zero_()  # the paper has no linear term
        for layer, other in zip(ours.interacting, theirs.int_layers, strict=True):
            for weight in other.parameters():
                weight.normal_()
            parts = (other.W_Query, other.W_key, other.W_Value, other.W_Res)
            layer.project.weight.copy_(torch.cat([part.T for part in parts]))
        ours.output.weight.copy_(theirs.dnn_linear.weight[:, :interacted])
        ours.output.bias.copy_(theirs.out.bias)
        if deep:
            last = torch.nn.Linear(8, 1, bias=False)
            last.weight.copy_(theirs.dnn_linear.weight[:, interacted:])
            peers.copy_linears(ours.mlp, [*theirs.dnn.linears, last])
    peers.copy_table(ours.embedding.table, theirs.embedding_dict)
    x, batch = peers.same_rows()
    peers.assert_same_logits(ours(batch), theirs(x)[:, 0])
