"""PNN against its equations in plain loops, and against deepctr-torch's own model."""

from itertools import combinations

import pytest
import torch
from pydantic import ValidationError

from ctrbench.api import deepctr_module
from ctrbench_plugins.models.pnn import PNN
from tests import peers
from tests.toys import build, toy_batch

PRODUCTS = ("inner", "outer", "both")


@pytest.mark.parametrize("product", PRODUCTS)
def test_logit_is_the_equation(product):
    model, featurizer = build("pnn", product=product)
    batch, model = toy_batch(featurizer), model.eval()
    with torch.no_grad():  # embeddings start near zero, where every product would pass
        model.embedding.table.weight.normal_()
    embedded = model.embedding(batch)
    pairs = list(combinations(range(embedded.shape[1]), 2))
    logits = model(batch)
    for row in range(len(batch)):
        signals = [value for field in embedded[row] for value in field]
        if product != "outer":
            signals += [(embedded[row, i] * embedded[row, j]).sum() for i, j in pairs]
        if product != "inner":
            for kernel, (i, j) in zip(model.outer.kernel, pairs, strict=True):
                outer = torch.outer(embedded[row, i], embedded[row, j])
                signals.append((outer * kernel).sum())
        logit = model.mlp(torch.stack(signals)[None])[0, 0]
        torch.testing.assert_close(logits[row], logit, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("product", PRODUCTS)
def test_there_is_no_wide_term(product):
    model, _ = build("pnn", product=product)
    names = {name.partition(".")[0] for name, _ in model.named_parameters()}
    assert names == ({"embedding", "mlp"} if product == "inner" else {"embedding", "outer", "mlp"})


def test_each_pair_has_a_kernel_of_its_own():
    """The paper's superposition of all outer products would give every pair the same."""
    model, _ = build("pnn", product="outer")
    fields = len(model.features.names)
    assert model.outer.kernel.shape == (fields * (fields - 1) // 2, 8, 8)
    embedded = torch.randn(4, fields, 8)
    before = model.outer(embedded).sum(2)
    with torch.no_grad():
        model.outer.kernel[2] += 1.0
    changed = (model.outer(embedded).sum(2) != before).any(0)
    assert changed.tolist() == [pair == 2 for pair in range(len(changed))]


@pytest.mark.parametrize("product", PRODUCTS)
def test_logits_are_those_of_deepctr_torch_with_the_same_weights(product):
    kind = deepctr_module("models.pnn").PNN
    theirs = kind(
        peers.columns(6),
        dnn_hidden_units=(16, 8),
        use_inner=product != "outer",
        use_outter=product != "inner",
        task="regression",
        init_std=0.5,
    ).eval()
    ours = PNN(PNN.Config(embedding_dim=6, product=product, hidden=(16, 8)), peers.INFO, ("all",)).eval()
    peers.copy_table(ours.embedding.table, theirs.embedding_dict)
    peers.copy_linears(ours.mlp, [*theirs.dnn.linears, theirs.dnn_linear])
    if product != "inner":
        with torch.no_grad():
            ours.outer.kernel.copy_(theirs.outterproduct.kernel.permute(1, 2, 0))
    x, batch = peers.same_rows()
    peers.assert_same_logits(ours(batch), theirs(x)[:, 0])


def test_an_unknown_product_is_refused():
    with pytest.raises(ValidationError, match="product"):
        PNN.Config(product="cross")
