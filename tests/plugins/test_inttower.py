"""IntTower against its equations in plain loops."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional

from ctrbench.api import Batch, ConfigError, FeatureInfo
from ctrbench_plugins.models.inttower import IntTower, LightSE, fe_score, info_nce
from tests.toys import build, toy_batch


def lively(**config) -> tuple[IntTower, Batch]:
    """A model whose weights are far enough from zero for every term to show, and a batch."""
    model, featurizer = build("inttower", **config)
    with torch.no_grad():
        model.embedding.table.weight.normal_()
        model.embedding.numbers.normal_()
        model.embedding.table.weight[0] = 0.0
        for tower in (model.user_tower, model.item_tower):
            tower.light_se.excitation.weight.normal_()
    return model.eval(), toy_batch(featurizer)


def changed(batch: Batch, **x: Tensor) -> Batch:
    return Batch({**batch.x, **x}, batch.domain, batch.domains, batch.label, batch.row_id)


def test_light_se_is_the_equation():
    layer, fields = LightSE(3), torch.randn(4, 3, 5)
    weight = layer.excitation.weight
    for row in range(4):
        means = [fields[row, j].sum() / 5 for j in range(3)]
        scores = [sum(weight[i, j] * means[j] for j in range(3)) for i in range(3)]
        for i in range(3):
            share = scores[i].exp() / sum(score.exp() for score in scores)
            torch.testing.assert_close(layer(fields)[row, i], fields[row, i] + share * fields[row, i])


def test_score_is_the_equation():
    users, items = torch.randn(4, 3, 2, 5), torch.randn(4, 2, 5)
    for row in range(4):
        score = 0.0
        for layer in range(3):
            for head in range(2):
                products = [sum(users[row, layer, head, d] * items[row, k, d] for d in range(5)) for k in range(2)]
                score = score + max(products)
        torch.testing.assert_close(fe_score(users, items)[row], score)


def test_logit_is_the_equation():
    model, batch = lively()
    fields, heads, dim = model.embedding(batch), model.config.heads, model.config.head_dim
    names, of = model.features.names, model.features.of
    user = [fields[:, k] for k, name in enumerate(names) if of[name] != "item"]
    item = [fields[:, k] for k, name in enumerate(names) if of[name] == "item"]
    u = model.user_tower.light_se(torch.stack(user, 1)).flatten(1)
    v = model.item_tower.light_se(torch.stack(item, 1)).flatten(1)
    for layer in model.item_tower.layers:
        v = layer(v)
    v = model.item_heads(v).reshape(len(batch), heads, dim)
    logit = model.bias
    for layer, project in zip(model.user_tower.layers, model.user_heads, strict=True):
        u = layer(u)
        projected = project(u).reshape(len(batch), heads, dim)
        for head in range(heads):
            logit = logit + torch.stack([(projected[:, head] * v[:, k]).sum(1) for k in range(heads)]).max(0).values
    assert logit.std() > 0.01
    torch.testing.assert_close(model(batch), logit)


def test_every_layer_of_the_user_tower_learns():
    """The authors' code projects the layers' inputs, so that its last user layer is computed and never used."""
    model, batch = lively()
    model.train().loss(batch).backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


def test_an_items_fields_do_not_reach_the_users_vectors():
    model, batch = lively()
    users, items = model.vectors(batch)
    ids, of = batch.x["ids"].clone(), model.features.of
    columns = [k for k, name in enumerate(model.features.ids) if of[name] == "item"]
    ids[:, columns] = ids[:, columns].roll(1, 0)
    other_users, other_items = model.vectors(changed(batch, ids=ids, numbers=batch.x["numbers"] + 1))
    assert torch.equal(other_users, users)
    assert not torch.allclose(other_items, items)


def test_a_users_fields_do_not_reach_the_items_vectors():
    model, batch = lively()
    users, items = model.vectors(batch)
    ids, of = batch.x["ids"].clone(), model.features.of
    columns = [k for k, name in enumerate(model.features.ids) if of[name] != "item"]
    ids[:, columns] = ids[:, columns].roll(1, 0)
    other_users, other_items = model.vectors(changed(batch, ids=ids, history=batch.x["history"].roll(1, 0)))
    assert torch.equal(other_items, items)
    assert not torch.allclose(other_users, users)


def test_an_items_embedding_reaches_the_user_through_the_history_only():
    model, batch = lively()
    users, items = model.vectors(batch)
    chosen = batch.x["ids"][:, model.item]
    read = {int(k) for k in batch.x["history"].flatten()}
    unread = [k for k in chosen.tolist() if k not in read]
    assert unread
    with torch.no_grad():
        model.embedding.table.weight[unread] += 1.0
    other_users, other_items = model.vectors(batch)
    assert torch.equal(other_users, users)
    assert not torch.allclose(other_items, items)


def test_the_history_is_the_users():
    model, batch = lively()
    assert "history" in [model.features.names[place] for place in model.user_fields]
    users, _ = model.vectors(batch)
    assert not torch.allclose(model.vectors(changed(batch, history=torch.zeros_like(batch.x["history"])))[0], users)


# The contrastive regularisation


def test_info_nce_is_the_equation():
    users, items = torch.randn(6, 4), torch.randn(6, 4)
    ids, positive = torch.tensor([1, 2, 1, 3, 4, 2]), torch.tensor([1, 1, 1, 0, 1, 1]) > 0
    total, rows = 0.0, 0
    for i in range(6):
        if not positive[i]:
            continue
        share = {}
        for j in range(6):
            if j == i or (positive[j] and ids[j] != ids[i]):
                cosine = users[i] @ items[j] / (users[i].norm() * items[j].norm())
                share[j] = (cosine / 0.1).exp()
        total, rows = total - (share[i] / sum(share.values())).log(), rows + 1
    torch.testing.assert_close(info_nce(users, items, ids, positive, 0.1), total / rows)


@pytest.mark.parametrize("positives", [0, 1])
def test_nothing_to_contrast_is_zero_and_has_a_gradient(positives):
    users, items = torch.randn(5, 4, requires_grad=True), torch.randn(5, 4, requires_grad=True)
    loss = info_nce(users, items, torch.arange(5), torch.arange(5) < positives, 0.07)
    loss.backward()
    assert loss == 0
    assert (users.grad == 0).all()
    assert (items.grad == 0).all()


def test_rows_of_one_item_are_not_held_against_each_other():
    users, items = torch.randn(5, 4), torch.randn(1, 4).expand(5, 4)
    every = torch.ones(5, dtype=torch.bool)
    assert info_nce(users, items, torch.full((5,), 7), every, 0.07) == 0
    torch.testing.assert_close(info_nce(users, items, torch.arange(5), every, 0.07), torch.tensor(math.log(5)))


def test_rows_that_were_not_liked_take_no_part():
    users, items = torch.randn(5, 4), torch.randn(5, 4)
    positive = torch.tensor([True, True, False, False, True])
    every = torch.ones(3, dtype=torch.bool)
    kept = info_nce(users[positive], items[positive], torch.arange(3), every, 0.07)
    torch.testing.assert_close(info_nce(users, items, torch.arange(5), positive, 0.07), kept)


def test_contrast_is_in_the_loss_only_with_its_weight():
    model, batch = lively(contrastive_weight=0.5)
    users, items = model.vectors(batch)
    ids, positive = batch.x["ids"][:, model.item], batch.label > 0
    contrast = info_nce(users[:, -1].flatten(1), items.flatten(1), ids, positive, model.config.temperature)
    click = functional.binary_cross_entropy_with_logits(model(batch), batch.label)
    assert contrast > 0.1
    torch.testing.assert_close(model.loss(batch), click + 0.5 * contrast / len(batch))


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_batch_of_one_row(label):
    model, batch = lively()
    x = {name: value[:1] for name, value in batch.x.items()}
    one = Batch(x, batch.domain[:1], batch.domains, torch.tensor([label]), batch.row_id[:1])
    torch.testing.assert_close(
        model.loss(one), functional.binary_cross_entropy_with_logits(model(one), one.label), atol=0.0, rtol=0.0
    )


def test_works_in_bf16():
    model, batch = lively()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.loss(batch)
    loss.backward()
    assert loss.isfinite()


@pytest.mark.parametrize(
    "info",
    [
        FeatureInfo(ids=("user",), vocabulary=9, of={"user": "user"}),
        FeatureInfo(ids=("item",), vocabulary=9, of={"item": "item"}),
        FeatureInfo(ids=("user", "brand"), vocabulary=9, of={"user": "user", "brand": "item"}),
    ],
)
def test_a_dataset_with_one_side_is_refused(info):
    with pytest.raises(ConfigError, match="IntTower needs a field of the user or context, and an id field 'item'"):
        IntTower(IntTower.Config(), info, ("all",))


def test_a_dataset_without_history_or_numbers():
    info = FeatureInfo(ids=("user", "item"), vocabulary=9, unseen=(1, 5), of={"user": "user", "item": "item"})
    model = IntTower(IntTower.Config(embedding_dim=4, hidden=(8,)), info, ("all",))
    batch = Batch(
        {"ids": torch.tensor([[2, 6], [3, 7]])}, torch.zeros(2).long(), ("all",), torch.ones(2), torch.arange(2)
    )
    assert model.loss(batch).isfinite()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hidden": ()}, "hidden is empty: a tower needs at least one layer"),
        ({"heads": 0}, "heads"),
        ({"temperature": 0.0}, "temperature"),
        ({"contrastive_weight": -1.0}, "contrastive_weight"),
    ],
)
def test_impossible_settings_are_refused(settings, words):
    with pytest.raises(ValidationError, match=words):
        IntTower.Config(**settings)
