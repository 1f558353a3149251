"""SAR-Net against its equations in plain loops, and its train-only bias nets."""

import pytest
import torch

from ctrbench.api import Batch, ConfigError, FeatureInfo
from ctrbench_plugins.models.sar_net import BehaviourAttention, DomainTransform, SARNet
from tests.toys import DOMAINS, build, toy_batch


def varied(seed=0, **config):
    """A model in eval mode whose every parameter matters, its featurizer and a batch."""
    model, featurizer = build("sar_net", **config)
    torch.manual_seed(seed)
    with torch.no_grad():  # embeddings start near zero, where every product would pass
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
        model.embedding.table.weight[0] = 0.0
    return model.eval(), featurizer, toy_batch(featurizer)


def softmax(scores):
    powers = [score.exp() for score in scores]
    return [power / sum(powers) for power in powers]


def attention(module, items, query):
    """The weights of `items` (a list) for one query, item by item."""
    p = module.query.weight @ query
    scores = []
    for item in items:
        hidden = module.hidden.weight @ torch.cat([item, p, item * p]) + module.hidden.bias
        scores.append(module.score.weight[0] @ hidden.clamp(min=0))
    return softmax(scores) if scores else []


def logit_by_loops(model, batch, row):
    domain = DOMAINS[batch.domain[row]]
    fields = model.embedding(batch)[row]
    vector = model.domain[domain].vector
    items = [model.embedding.table.weight[k] for k in batch.x["history"][row] if k != 0]
    target = torch.cat([fields[i] for i in model.features.owned_by("item")])
    for_item = attention(model.item_attention, items, target)
    for_domain = attention(model.domain_attention, items, vector)
    behaviour = torch.zeros_like(vector)
    for a, b, item in zip(for_item, for_domain, items, strict=True):
        behaviour = behaviour + a * b * item
    v = torch.cat([behaviour, *fields, vector])
    v = v * model.transform[domain].beta + model.transform[domain].gamma
    experts = [expert(v[None])[0] for expert in [*model.shared, *model.specific[domain]]]
    gates = softmax(list(model.gates[domain].weight @ v))
    mixed = sum(gate * expert for gate, expert in zip(gates, experts, strict=True))
    offsets = torch.cat([model.shared_bias.weight, model.specific_bias[domain].weight])
    offset = sum(gate * offset for gate, offset in zip(gates, offsets, strict=True))
    return model.classifier(mixed[None])[0, 0], offset


def test_logit_is_the_equation():
    model, _, batch = varied()
    logits = model(batch)
    assert logits.std() > 0.1
    for row in range(len(batch)):
        torch.testing.assert_close(logits[row], logit_by_loops(model, batch, row)[0], atol=1e-4, rtol=1e-4)


def test_bias_nets_join_the_logit_in_training_and_are_gone_at_eval():
    model, _, batch = varied(dropout=0.0)
    evaluated, trained = model(batch), model.train()(batch)
    for row in range(len(batch)):
        main, offset = logit_by_loops(model, batch, row)
        assert offset.abs() > 1e-3
        torch.testing.assert_close(evaluated[row], main, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(trained[row], main + offset, atol=1e-4, rtol=1e-4)


def test_bias_nets_start_at_zero_and_every_one_learns():
    model, featurizer = build("sar_net", dropout=0.0)
    batch = toy_batch(featurizer, count=60)
    assert torch.equal(model.train()(batch), model.eval()(batch))
    model.train().loss(batch).backward()
    for net in [model.shared_bias, *(model.specific_bias[domain] for domain in DOMAINS)]:
        assert (net.weight.grad != 0).all()


def test_what_training_moves_into_the_bias_nets_is_little_of_the_level():
    """With a constant coefficient they could take the level of the labels with them when they are dropped."""
    model, featurizer = build("sar_net", dropout=0.0)
    batch = toy_batch(featurizer, count=300)
    batch = Batch(batch.x, batch.domain, batch.domains, (torch.arange(300) % 10 != 0).float(), batch.row_id)
    dense = torch.optim.Adam(model.parameter_groups()["dense"], lr=1e-3)
    for _ in range(150):
        dense.zero_grad()
        model.train().loss(batch).backward()
        dense.step()
    with torch.no_grad():
        trained, evaluated = model.train()(batch), model.eval()(batch)
    assert trained.sigmoid().mean().item() == pytest.approx(0.9, abs=0.03)
    assert evaluated.sigmoid().mean().item() == pytest.approx(0.9, abs=0.05)


def test_frozen_bias_nets_add_nothing_while_a_new_domain_learns():
    model, _, batch = varied(dropout=0.0)
    model.add_domain("music")
    model.train()
    assert torch.count_nonzero(model.shared_bias(torch.ones(3, 1))) == 0
    new = batch.as_domain("music")
    model.loss(new).backward()
    assert (model.specific_bias["music"].weight.grad != 0).all()


def test_transformation_starts_as_the_identity():
    v = torch.randn(3, 5)
    assert torch.equal(DomainTransform(5)(v), v)


def test_attention_is_a_distribution_over_the_items_that_are_there():
    torch.manual_seed(0)
    attention, items = BehaviourAttention(6, 4), torch.randn(3, 5, 4)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False], [False] * 5])
    weights = attention(items, mask, torch.randn(3, 6))
    torch.testing.assert_close(weights.sum(1), torch.tensor([1.0, 1.0, 0.0]))
    assert torch.count_nonzero(weights[~mask]) == 0


@pytest.mark.parametrize("part", ["domain", "transform", "specific", "gates"])
def test_each_domain_specific_part_alone_tells_domains_apart(part):
    model, _, batch = varied()
    for name in {"domain", "transform", "specific", "gates"} - {part}:
        parts = getattr(model, name)
        parts["games"].load_state_dict(parts["books"].state_dict())
    heads = model.logits(batch, ("books", "games"))
    assert not torch.allclose(heads["books"], heads["games"])


def test_the_domain_changes_the_weights_of_behaviours():
    model, _, batch = varied()
    items, mask = model.embedding.history(batch, "history")
    books, games = (
        model.domain_attention(items, mask, model.domain[name].vector.expand(len(batch), -1)) for name in DOMAINS[:2]
    )
    several = mask.sum(1) > 1
    assert ((books - games).abs().amax(1)[several] > 1e-3).all()
    assert torch.equal(books[~several], games[~several])


def test_a_row_visits_the_specific_experts_of_its_own_domain_only():
    model, featurizer, _ = varied()
    batch = toy_batch(featurizer, count=60)
    visited = []
    for name in DOMAINS:
        model.specific[name].register_forward_hook(lambda _, args, __, name=name: visited.append((name, len(args[0]))))
    model(batch)
    assert visited == [(name, int((batch.domain == k).sum())) for k, name in enumerate(DOMAINS)]


def test_counts_of_experts_are_shared_and_per_domain():
    model, _ = build("sar_net", shared_experts=1, domain_experts=3)
    assert (len(model.shared), {len(model.specific[name]) for name in DOMAINS}) == (1, {3})


def test_a_dataset_without_item_fields_is_refused():
    info = FeatureInfo(ids=("user",), histories=("history",), vocabulary=5, of={"user": "user"})
    with pytest.raises(ConfigError, match="item"):
        SARNet(SARNet.Config(), info, ("all",))
