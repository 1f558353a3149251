"""FiBiNET against its equations in plain loops, and against deepctr-torch's own layers and model."""

from itertools import combinations
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from ctrbench.api import deepctr_module
from ctrbench_plugins.models.fibinet import SENET, FiBiNET
from tests import peers
from tests.toys import build, toy_batch

KINDS = ("all", "each", "interaction")


def matrix(kernel: torch.Tensor, kind: str, i: int, pair: int) -> torch.Tensor:
    return kernel[{"all": 0, "each": i, "interaction": pair}[kind]]


@pytest.mark.parametrize("kind", KINDS)
def test_logit_is_the_equation(kind):
    model, featurizer = build("fibinet", bilinear=kind)
    batch, model = toy_batch(featurizer), model.eval()
    with torch.no_grad():  # embeddings start near zero, where every product would pass
        model.embedding.table.weight.normal_()
    (embedded, first), logits = model.embedding(batch), model(batch)
    fields = embedded.shape[1]
    for row in range(len(batch)):
        z = torch.stack([embedded[row, i].mean() for i in range(fields)])
        hidden = torch.stack([(w * z).sum().clamp(min=0) for w in model.senet.squeeze.weight])
        a = [(w * hidden).sum().clamp(min=0) for w in model.senet.excite.weight]
        products = []
        for kernel, vectors in (
            (model.plain.kernel, list(embedded[row])),
            (model.weighted.kernel, [a[i] * embedded[row, i] for i in range(fields)]),
        ):
            for pair, (i, j) in enumerate(combinations(range(fields), 2)):
                products.append((vectors[i] @ matrix(kernel, kind, i, pair)) * vectors[j])
        logit = model.bias + sum(first[row, i] for i in range(fields)) + model.mlp(torch.cat(products)[None])[0, 0]
        torch.testing.assert_close(logits[row], logit, atol=1e-4, rtol=1e-4)


def copied(ours: SENET, theirs: Any) -> SENET:
    with torch.no_grad():
        ours.squeeze.weight.copy_(theirs.excitation[0].weight)
        ours.excite.weight.copy_(theirs.excitation[2].weight)
    return ours


@pytest.mark.parametrize("fields", [2, 6, 9])
def test_senet_is_that_of_deepctr_torch(fields):
    theirs = deepctr_module("layers.interaction").SENETLayer(fields, 3)
    embedded = torch.randn(8, fields, 5)
    torch.testing.assert_close(copied(SENET(fields, 3), theirs)(embedded), theirs(embedded))


@pytest.mark.parametrize("fields", [2, 3, 6])
def test_senet_starts_with_no_field_shut_off(fields):
    """Few fields leave one narrow unit, whose negative weights would silence a field for good."""
    for seed in range(20):
        torch.manual_seed(seed)
        senet, embedded = SENET(fields, 3), torch.randn(200, fields, 4)
        assert (senet(embedded).abs().sum((0, 2)) > 0).all()


def test_importance_is_not_a_share():
    """Two ReLUs: neither a softmax nor a sigmoid bounds a field's weight."""
    senet = SENET(6, 3)
    embedded = 50 * torch.randn(200, 6, 4)
    importance = (senet(embedded) / embedded)[:, :, 0]
    assert (importance >= 0).all()
    assert (importance > 1).any()
    assert (importance == 0).any()


def both(kind: str) -> tuple[FiBiNET, Any]:
    """Ours and deepctr-torch's, with the same weights: both of our sets of matrices are its one set."""
    columns = peers.columns(6)
    sizes = {"bilinear_type": kind, "dnn_hidden_units": (16, 8)}
    theirs = deepctr_module("models.fibinet").FiBiNET(columns, columns, **sizes, task="regression", init_std=1.0).eval()
    with torch.no_grad():
        theirs.SE.excitation[2].weight.abs_()  # so that no field is shut off
        for table in theirs.linear_model.embedding_dict.values():
            table.weight.normal_(std=0.1)
    ours = FiBiNET(FiBiNET.Config(embedding_dim=6, bilinear=kind, hidden=(16, 8)), peers.INFO, ("all",)).eval()
    peers.copy_table(ours.embedding.table, theirs.embedding_dict, theirs.linear_model.embedding_dict)
    peers.copy_linears(ours.mlp, [*theirs.dnn.linears, theirs.dnn_linear])
    copied(ours.senet, theirs.SE)
    linears = [theirs.Bilinear.bilinear] if kind == "all" else list(theirs.Bilinear.bilinear)
    kernel = torch.stack([linear.weight.T for linear in linears])
    with torch.no_grad():
        ours.bias.copy_(theirs.out.bias[0])
        for mine in (ours.plain.kernel, ours.weighted.kernel):
            mine.copy_(kernel[: len(mine)])  # of `each`, its last matrix has no use
        products = ours.mlp[0].weight.shape[1] // 2
        ours.mlp[0].weight.copy_(ours.mlp[0].weight.roll(products, 1))  # the paper puts p before q, it q before p
    return ours, theirs


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_deepctr_torch_when_both_sets_of_matrices_are_its_one(kind):
    ours, theirs = both(kind)
    x, batch = peers.same_rows()
    deep = theirs(x)[:, 0] - theirs.linear_model(x)[:, 0]
    assert deep.std() > 0.1
    assert (theirs.SE(ours.embedding(batch)[0]) != 0).any()
    peers.assert_same_logits(ours(batch), theirs(x)[:, 0])


def test_embeddings_and_weighted_embeddings_have_matrices_of_their_own():
    """deepctr-torch applies one set to both; the authors' code makes a layer for each."""
    ours, theirs = both("interaction")
    count = 3 * 6 * 6
    assert sum(p.numel() for p in theirs.Bilinear.parameters()) == count
    assert ours.plain.kernel.numel() + ours.weighted.kernel.numel() == 2 * count
    embedded = torch.randn(8, 3, 6)
    before = ours.plain(embedded)
    with torch.no_grad():
        ours.weighted.kernel.zero_()
    assert torch.equal(ours.plain(embedded), before)
    assert (ours.weighted(embedded) == 0).all()


def test_the_two_sets_start_and_learn_apart():
    model, featurizer = build("fibinet")
    assert not torch.equal(model.plain.kernel, model.weighted.kernel)
    with torch.no_grad():
        model.embedding.table.weight.normal_()
    model.train().loss(toy_batch(featurizer, count=60)).backward()
    assert not torch.allclose(model.plain.kernel.grad, model.weighted.kernel.grad)


@pytest.mark.parametrize("wrong", [{"bilinear": "some"}, {"reduction": 0}])
def test_impossible_values_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        FiBiNET.Config(**wrong)
