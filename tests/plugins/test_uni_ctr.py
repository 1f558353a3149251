"""Uni-CTR: its networks per domain, its losses, its domains that come and go."""

import pytest
import torch
from torch import nn

from ctrbench.errors import ConfigError
from ctrbench_plugins.models.uni_ctr.layers import AttentionPooling
from tests.toys import DOMAINS, build, toy_batch

BACKBONES = pytest.mark.parametrize("backbone", ["tiny-bert", "tiny-deberta", "tiny-llama"])
BLOCKS = ("transformer", "mlp", "attention", "none")
GATES = ("token", "feature", "add")


def test_a_width_that_does_not_split_is_one_sentence():
    with pytest.raises(ConfigError, match=r"32 wide.*narrowing and heads"):
        build("uni_ctr", heads=3)


@pytest.mark.parametrize("gate", GATES)
def test_a_dsn_is_the_equation(gate):
    model, featurizer = build("uni_ctr", ladders=2, gate=gate)
    batch, model = toy_batch(featurizer), model.eval()
    hidden = model.backbone(
        input_ids=batch.x["input_ids"], attention_mask=batch.x["attention_mask"].long(), output_hidden_states=True
    ).hidden_states
    mask = batch.x["attention_mask"]
    network = model.networks["games"]
    first = network.ladders[0](hidden[2], mask)
    second = network.ladders[1](hidden[4] + first, mask)
    if gate == "token":
        gated = network.gate(torch.cat([mask, mask], dim=1), torch.cat([hidden[4], second], dim=1))
    elif gate == "feature":
        gated = network.gate(mask, torch.cat([hidden[4], second], dim=2))
    else:
        gated = network.gate(mask, hidden[4] + second)
    expected = network.tower(gated)[:, 0]
    torch.testing.assert_close(model.logits(batch, ("games",))["games"], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("general", ["paper", "code"])
def test_every_combination_of_choices_trains_all_it_has(block, gate, general):
    model, featurizer = build("uni_ctr", block=block, gate=gate, general=general)
    model.train().loss(toy_batch(featurizer, count=24)).backward()
    idle = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle


def test_the_general_network_of_the_code_has_ladders():
    paper, code = (build("uni_ctr", general=general)[0].general for general in ("paper", "code"))
    assert (len(paper.ladders), len(code.ladders)) == (0, 4)


# 6. The general network is trained by every domain, and answers for unknown ones.
@pytest.mark.parametrize("domain", DOMAINS)
def test_every_domain_trains_the_general_network_its_own_and_the_backbone(domain):
    model, featurizer = build("uni_ctr")
    batch = toy_batch(featurizer, count=8).as_domain(domain)
    model.train().loss(batch).backward()
    reached = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert any(name.startswith("general.") for name in reached)
    assert any("lora_" in name for name in reached)
    assert {d for d in DOMAINS if any(f"domain_{d}." in name for name in reached)} == {domain}


def test_the_loss_is_own_plus_general():
    model, featurizer = build("uni_ctr")
    batch, model = toy_batch(featurizer), model.eval()
    heads = model.logits(batch, ("own", "general"))
    expected = sum(
        -sum(
            label * torch.sigmoid(logit).log() + (1 - label) * torch.sigmoid(-logit).log()
            for logit, label in zip(logits, batch.label, strict=True)
        )
        / len(batch)
        for logits in heads.values()
    )
    torch.testing.assert_close(model.loss(batch), expected)


def test_the_general_head_ignores_the_domain():
    model, featurizer = build("uni_ctr")
    batch, model = toy_batch(featurizer), model.eval()
    general = model.forward_general(batch)
    assert torch.equal(general, model.forward_general(batch.as_domain("never seen")))
    assert not torch.allclose(general, model(batch))


# 7. Training a new domain moves nothing else.
def test_a_step_of_a_new_domain_changes_only_its_own_network():
    model, featurizer = build("uni_ctr", domains=("books", "tools"))
    batch = toy_batch(featurizer, count=16)
    with torch.no_grad():
        old = model.eval().logits(batch, ("books", "tools", "general"))
    new = model.add_domain("games")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1)
    assert {id(p) for group in optimizer.param_groups for p in group["params"]} == {id(p) for p in new}
    for _ in range(2):
        model.train().loss(batch.as_domain("games")).backward()
        optimizer.step()
        optimizer.zero_grad()
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert moved
    assert all("domain_games" in key for key in moved)
    with torch.no_grad():
        after = model.eval().logits(batch, ("books", "tools", "general"))
    assert all(torch.equal(old[head], after[head]) for head in old)


def test_a_new_domain_trains_with_its_own_loss_and_frozen_parts_in_eval_mode():
    model, featurizer = build("uni_ctr", domains=("books",))
    model.add_domain("games")
    model.train()
    assert model.networks["games"].training
    assert not model.networks["books"].training
    assert not model.backbone.training
    assert not model.general.training
    batch = toy_batch(featurizer).as_domain("games")
    model.eval()
    own = nn.functional.binary_cross_entropy_with_logits(model(batch), batch.label)
    torch.testing.assert_close(model.loss(batch), own)


def test_the_general_loss_can_weigh_less():
    model, featurizer = build("uni_ctr", general_weight=0.25, dropout=0.0, lora_dropout=0.0)
    batch = toy_batch(featurizer)
    own, general = (
        nn.functional.binary_cross_entropy_with_logits(logits, batch.label)
        for logits in model.eval().logits(batch, ("own", "general")).values()
    )
    torch.testing.assert_close(model.loss(batch), own + 0.25 * general)


def test_a_removed_domain_leaves_every_other_bit_as_it_was():
    model, featurizer = build("uni_ctr")
    batch, kept = toy_batch(featurizer), [name for name in DOMAINS if name != "games"]
    with torch.no_grad():
        before = model.eval().logits(batch, (*kept, "general"))
        model.remove_domain("games")
        after = model.logits(batch, (*kept, "general"))
    assert not any("games" in key for key in model.state_dict())
    assert all(torch.equal(before[head], after[head]) for head in before)


@pytest.mark.parametrize("general", ["paper", "code"])
def test_tower_and_dropout_are_those_that_are_set_in_every_network(general):
    model, _ = build("uni_ctr", dropout=0.45, tower=(24, 12), general=general)
    for network in (model.networks["books"], model.general):
        assert [layer.out_features for layer in network.tower if isinstance(layer, nn.Linear)] == [24, 12, 1]
        rates = [module.p for module in network.modules() if isinstance(module, nn.Dropout)]
        assert rates == [0.45] * (2 + 2 * len(network.ladders))  # of the tower; of each ladder's attention and output


def test_pooling_starts_near_the_mean():
    """The published code's queries are standard normal, so that its softmax starts near one-hot."""
    pooling, mask = AttentionPooling(256), torch.ones(4, 32, dtype=torch.bool)
    assert pooling.query.std() < 0.03
    tokens = torch.randn(4, 32, 256)
    torch.testing.assert_close(pooling(mask, tokens), tokens.mean(1), atol=0.25, rtol=0)
