"""Uni-CTR: the likely mistakes, each as a test, on tiny backbones; its equations against plain loops."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ctrbench.errors import BackboneError, ConfigError
from ctrbench.features.batch import Batch
from ctrbench.features.featurizer import FeatureInfo
from ctrbench_plugins.models.uni_ctr import model as module
from ctrbench_plugins.models.uni_ctr.layers import AttentionPooling, Ladder
from ctrbench_plugins.models.uni_ctr.model import UniCTR, tap_layers
from tests.toys import DOMAINS, build, toy_batch

BACKBONES = pytest.mark.parametrize("backbone", ["tiny-bert", "tiny-llama"])


def padded(batch: Batch, length: int) -> Batch:
    """The same rows with more padding."""
    extra = length - batch.x["input_ids"].shape[1]
    x = {key: nn.functional.pad(value, (0, extra)) for key, value in batch.x.items()}
    return Batch(x, batch.domain, batch.domains, batch.label, batch.row_id)


# 1. A ladder attends over tokens, not over the batch.
def test_a_ladder_sees_the_rows_own_tokens_only():
    ladder = Ladder(64, narrowing=4, heads=2, dropout=0.0).eval()
    x, mask = torch.randn(4, 6, 64), torch.ones(4, 6, dtype=torch.bool)
    before = ladder(x, mask)
    other_row = x.clone()
    other_row[2] += 1.0
    assert torch.equal(ladder(other_row, mask)[0], before[0])
    other_token = x.clone()
    other_token[0, 5] += 1.0
    assert not torch.allclose(ladder(other_token, mask)[0, 1], before[0, 1])


def test_a_ladder_has_the_published_codes_size():
    sizes = {width: sum(p.numel() for p in Ladder(width, 4, 2, 0.0).parameters()) for width in (312, 768, 1024, 2048)}
    assert sizes == {312: 178_308, 768: 1_073_664, 1024: 1_906_688, 2048: 7_614_464}


# 3. Ladders tap h_phi ... h_Fphi, never h_0.
def test_taps_of_the_papers_backbone():
    assert tap_layers(24, 4, None) == (6, 12, 18, 24)
    assert tap_layers(4, 4, None) == (1, 2, 3, 4)
    assert tap_layers(24, 4, 2) == (2, 4, 6, 8)
    with pytest.raises(ConfigError, match="6 layers"):
        tap_layers(6, 4, 2)
    with pytest.raises(ConfigError, match="3 layers"):
        tap_layers(3, 4, None)


def test_the_hidden_states_that_are_tapped_are_those_layers(monkeypatch):
    """A backbone whose h_l is full of l."""

    class Stub(nn.Module):
        config = SimpleNamespace(hidden_size=8, num_hidden_layers=24, model_type="stub")

        def forward(self, input_ids, attention_mask, output_hidden_states):
            states = tuple(torch.full((*input_ids.shape, 8), float(layer)) for layer in range(25))
            return SimpleNamespace(hidden_states=states)

    monkeypatch.setattr(module, "load_encoder", lambda name: Stub())
    monkeypatch.setattr(module, "with_lora", lambda encoder, *settings: encoder)
    model = UniCTR(UniCTR.Config(tower=(4,)), FeatureInfo(), DOMAINS)
    _, featurizer = build("uni_ctr")
    encoded = model.encode(toy_batch(featurizer))
    assert [tap.unique().item() for tap in encoded.taps] == [6, 12, 18, 24]
    assert encoded.last.unique().item() == 24


# 4. Padding changes nothing.
@BACKBONES
def test_logits_do_not_depend_on_padding(backbone):
    model, featurizer = build("uni_ctr", backbone=backbone)
    batch, model = toy_batch(featurizer, count=4), model.eval()
    for head in ("own", "general"):
        short, long = (model.logits(some, (head,))[head] for some in (batch, padded(batch, 256)))
        torch.testing.assert_close(short, long, atol=1e-4, rtol=0)


def test_pooling_is_the_equation_over_real_tokens():
    pooling = AttentionPooling(5)
    nn.init.normal_(pooling.query)
    tokens, mask = torch.randn(2, 4, 5), torch.tensor([[True] * 4, [True, True, False, False]])
    for row, length in enumerate((4, 2)):
        scores = [torch.tanh(pooling.key(tokens[row, j])) @ pooling.query for j in range(length)]
        weights = torch.stack(scores).softmax(0)
        expected = sum(weights[j] * tokens[row, j] for j in range(length))
        torch.testing.assert_close(pooling(tokens, mask)[row], expected)


def test_a_dsn_is_the_equation():
    model, featurizer = build("uni_ctr", ladders=2)
    batch, model = toy_batch(featurizer), model.eval()
    hidden = model.backbone(
        input_ids=batch.x["input_ids"], attention_mask=batch.x["attention_mask"].long(), output_hidden_states=True
    ).hidden_states
    mask = batch.x["attention_mask"]
    network = model.networks["games"]
    first = network.ladders[0](hidden[2], mask)
    second = network.ladders[1](hidden[4] + first, mask)
    gated = network.gate(torch.cat([hidden[4], second], dim=1), torch.cat([mask, mask], dim=1))
    expected = network.tower(gated)[:, 0]
    torch.testing.assert_close(model.logits(batch, ("games",))["games"], expected, atol=1e-5, rtol=1e-4)


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


def test_of_the_frozen_backbone_only_the_adapters_are_in_training_mode():
    model, _ = build("uni_ctr")
    on = [name for name, module in model.train().backbone.named_modules() if module.training]
    assert any("lora_dropout" in name for name in on)
    assert all("lora_" in name for name in on)
    assert not [name for name, module in model.eval().named_modules() if module.training]


def test_all_heads_cost_one_pass_of_the_backbone(monkeypatch):
    model, featurizer = build("uni_ctr")
    batch, calls = toy_batch(featurizer), []
    encode = UniCTR.encode
    monkeypatch.setattr(UniCTR, "encode", lambda self, some: calls.append(1) or encode(self, some))
    model.eval().logits(batch, ("own", "general", "mean", *DOMAINS))
    model.loss(batch)
    assert len(calls) == 2


def test_only_lora_and_heads_are_trained():
    model, _ = build("uni_ctr")
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in trained if name.startswith("backbone."))
    groups = model.parameter_groups()
    assert sum(len(group) for group in groups.values()) == len(trained)


def test_random_backbones_are_said_to_be_random():
    assert build("uni_ctr")[0].notes() == ("backbone tiny-bert has random weights",)


@pytest.mark.parametrize("name", ["no-such-backbone", "minilmm"])
def test_an_unknown_backbone_is_one_sentence_with_the_nearest_names(name):
    with pytest.raises(BackboneError, match="minilm"):
        build("uni_ctr", backbone=name)


def test_a_folder_without_a_model_is_said_to_be_none(tmp_path):
    with pytest.raises(BackboneError, match=r"config\.json"):
        build("uni_ctr", backbone=str(tmp_path))


def test_a_hub_id_without_a_hub_says_what_to_do():
    with pytest.raises(BackboneError, match=r"nobody/nothing.*name a local folder"):
        build("uni_ctr", backbone="nobody/nothing")
