"""Uni-CTR without its language model: states of a deep network on ids, read as those of a backbone are."""

import pytest
import torch

from ctrbench_plugins.models.uni_ctr import UniCTRIds
from tests.toys import DOMAINS, build, toy_batch


def test_the_papers_network_has_24_layers_and_four_ladders_at_quarters():
    config = UniCTRIds.Config(embedding_dim=8, width=16)
    _, featurizer = build("uni_ctr_ids")
    model = UniCTRIds(config, featurizer.info, DOMAINS)
    assert len(model.stack) == config.depth == 24
    assert model.taps == (6, 12, 18, 24)
    assert all(len(model.networks[domain].ladders) == 4 for domain in DOMAINS)


def test_states_are_the_layers_one_after_the_other():
    model, featurizer = build("uni_ctr_ids", depth=4, ladders=2)
    batch, model = toy_batch(featurizer), model.eval()
    hidden = model.first(model.embedding(batch).flatten(1))
    expected = []
    for layer in model.stack:
        z = (hidden - hidden.mean(1, keepdim=True)) / (hidden.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
        hidden = hidden + (z @ layer.linear.weight.T + layer.linear.bias).clamp(min=0)
        expected.append(hidden)
    encoded = model.encode(batch)
    assert encoded.mask.all()
    assert encoded.mask.shape == (len(batch), 1)
    torch.testing.assert_close(encoded.taps[0][:, 0], expected[1])
    torch.testing.assert_close(encoded.taps[1][:, 0], expected[3])
    torch.testing.assert_close(encoded.last[:, 0], expected[3])


def test_ladders_gate_and_general_network_are_uni_ctrs():
    ids, text = build("uni_ctr_ids")[0], build("uni_ctr")[0]
    for part in ("networks", "general"):
        assert type(getattr(ids, part)) is type(getattr(text, part))
    assert type(ids.networks["games"]) is type(text.networks["games"])
    assert ids.has_general_head
    assert len(ids.general.ladders) == 0


def test_the_general_network_is_a_tower_on_the_last_state():
    model, featurizer = build("uni_ctr_ids")
    batch, model = toy_batch(featurizer), model.eval()
    last = model.encode(batch).last[:, 0]
    torch.testing.assert_close(model.forward_general(batch), model.general.tower(last)[:, 0])


@pytest.mark.parametrize("choice", [{"gate": "feature"}, {"gate": "add"}, {"block": "none"}, {"general": "code"}])
def test_other_choices_train_all_they_have(choice):
    model, featurizer = build("uni_ctr_ids", **choice)
    model.train().loss(toy_batch(featurizer, count=24)).backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None]
    assert not idle
