"""Uni-CTR and its language model: taps, padding, what is trained, what is computed once."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers import OPTConfig, OPTModel

from ctrbench.backbones.structure import encoder_layers
from ctrbench.errors import BackboneError
from ctrbench.features.batch import Batch
from ctrbench.features.featurizer import FeatureInfo
from ctrbench.training.config import TrainConfig
from ctrbench.training.optim import build_optimizers
from ctrbench_plugins.models.uni_ctr import model as module
from ctrbench_plugins.models.uni_ctr.config import Config
from ctrbench_plugins.models.uni_ctr.model import UniCTR, run_twice
from tests.toys import DOMAINS, build, toy_batch

BACKBONES = pytest.mark.parametrize("backbone", ["tiny-bert", "tiny-deberta", "tiny-llama"])
BLOCKS = ("transformer", "mlp", "attention", "none")
GATES = ("token", "feature", "add")


def padded(batch: Batch, length: int) -> Batch:
    """The same rows with more padding."""
    extra = length - batch.x["input_ids"].shape[1]
    x = {key: nn.functional.pad(value, (0, extra)) for key, value in batch.x.items()}
    return Batch(x, batch.domain, batch.domains, batch.label, batch.row_id)


@pytest.mark.parametrize("settings", [{}, {"tap_embeddings": True}])
def test_the_hidden_states_that_are_tapped_are_those_layers(monkeypatch, settings):
    """A backbone whose h_l is full of l."""

    class Stub(nn.Module):
        config = SimpleNamespace(hidden_size=8, num_hidden_layers=24, model_type="stub")

        def forward(self, input_ids, attention_mask, output_hidden_states):
            states = tuple(torch.full((*input_ids.shape, 8), float(layer)) for layer in range(25))
            return SimpleNamespace(hidden_states=states)

    monkeypatch.setattr(module, "load_encoder", lambda name, dtype: Stub())
    monkeypatch.setattr(module, "with_lora", lambda encoder, *settings: encoder)
    model = UniCTR(Config(tower=(4,), **settings), FeatureInfo(), DOMAINS)
    _, featurizer = build("uni_ctr")
    encoded = model.encode(toy_batch(featurizer))
    assert [tap.unique().item() for tap in encoded.taps] == ([0] if settings else []) + [6, 12, 18, 24]
    assert encoded.last.unique().item() == 24


def test_every_tap_of_a_llama_passes_the_final_norm_as_the_last_one_does():
    model, featurizer = build("uni_ctr", backbone="tiny-llama")
    batch, model = toy_batch(featurizer), model.eval()
    base = model.backbone.get_base_model()
    with torch.no_grad():
        base.norm.weight.uniform_(0.5, 2.0)
        out = model.backbone(
            input_ids=batch.x["input_ids"], attention_mask=batch.x["attention_mask"].long(), output_hidden_states=True
        )
        encoded, mask = model.encode(batch), batch.x["attention_mask"]
    for layer, tap in zip((1, 2, 3), encoded.taps, strict=False):
        torch.testing.assert_close(tap[mask], base.norm(out.hidden_states[layer])[mask], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(encoded.last[mask], out.last_hidden_state[mask], atol=1e-5, rtol=1e-5)
    assert torch.equal(encoded.last, encoded.taps[-1])


# 4. Padding changes nothing.
@BACKBONES
def test_logits_do_not_depend_on_padding(backbone):
    model, featurizer = build("uni_ctr", backbone=backbone)
    batch, model = toy_batch(featurizer, count=4), model.eval()
    junk = padded(batch, 256)
    junk.x["input_ids"][~junk.x["attention_mask"]] = 7
    for head in ("own", "general"):
        short, *longer = (model.logits(some, (head,))[head] for some in (batch, padded(batch, 256), junk))
        for long in longer:
            torch.testing.assert_close(short, long, atol=1e-4, rtol=0)


@BACKBONES
def test_a_prompt_without_tokens_has_a_logit(backbone):
    model, featurizer = build("uni_ctr", backbone=backbone)
    batch, model = toy_batch(featurizer, count=4), model.eval()
    before = model.logits(batch, ("own", "general"))
    batch.x["attention_mask"][1] = False
    batch.x["input_ids"][1] = 0
    after = model.logits(batch, ("own", "general"))
    for head, logits in after.items():
        assert logits.isfinite().all()
        torch.testing.assert_close(logits[[0, 2, 3]], before[head][[0, 2, 3]])


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


def test_full_tuning_trains_the_backbone_with_its_own_dropout():
    model, featurizer = build("uni_ctr", tuning="full")
    assert model.train().backbone.training
    model.loss(toy_batch(featurizer)).backward()
    groups = model.parameter_groups()
    assert not groups["lora"]
    assert all(p.grad is not None for p in groups["backbone"])


def test_a_frozen_backbone_gets_no_gradient_and_no_dropout():
    model, featurizer = build("uni_ctr", tuning="frozen")
    assert not model.train().backbone.training
    model.loss(toy_batch(featurizer)).backward()
    assert not any(p.requires_grad for p in model.backbone.parameters())
    assert all(p.grad is not None for p in model.parameter_groups()["dense"])


@BACKBONES
@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_layers_that_are_run_twice_give_the_same_gradients(backbone, tuning):
    """And they are run twice: gradient checkpointing is on, though frozen parts are in eval mode."""
    off = {"dropout": 0.0, "lora_dropout": 0.0, "backbone": backbone, "tuning": tuning}
    gradients, calls = [], []
    for twice in (False, True):
        model, featurizer = build("uni_ctr", gradient_checkpointing=twice, **off)
        for part in model.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
        count = []
        model.shardable()[0].register_forward_hook(lambda *a, count=count: count.append(1))
        first = next(
            m for m in model.shardable()[0].modules() if isinstance(m, nn.LayerNorm) or "Norm" in type(m).__name__
        )
        first.register_forward_hook(lambda *a, count=count: count.append(1))
        model.train().loss(toy_batch(featurizer)).backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
        calls.append(len(count))
    assert calls[1] > calls[0]
    torch.testing.assert_close(gradients[0], gradients[1])


def test_every_layer_is_compiled_where_that_is_wanted(monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda module, **options: compiled.append(module))
    build("uni_ctr")
    assert not compiled
    model, _ = build("uni_ctr", compile=True)
    assert [id(layer) for layer in compiled] == [id(layer) for layer in encoder_layers(model.backbone)]


def test_a_frozen_backbone_in_half_the_memory():
    model, featurizer = build("uni_ctr", backbone_dtype="bf16")
    frozen = {p.dtype for p in model.backbone.parameters() if not p.requires_grad}
    assert frozen == {torch.bfloat16}
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    batch = toy_batch(featurizer)
    with torch.autocast("cpu", torch.bfloat16):
        model.train().loss(batch).backward()
    full = build("uni_ctr")[0]
    torch.testing.assert_close(model.eval()(batch), full.eval()(batch), atol=0.05, rtol=0.05)


# A frozen backbone's hidden states may be computed beforehand.
@pytest.mark.parametrize("settings", [{}, {"tap_embeddings": True}, {"block": "none"}])
def test_fixed_states_stand_in_for_the_backbone(settings, monkeypatch):
    model, featurizer = build("uni_ctr", tuning="frozen", **settings)
    batch = toy_batch(featurizer)
    with torch.no_grad():
        expected = model.eval().logits(batch, ("own", "general"))
        states = model.fixed_states(batch)
    assert states["hidden"].shape == (*batch.x["input_ids"].shape, len(model.layers), 32)
    monkeypatch.setattr(UniCTR, "_hidden", None)
    again = model.logits(
        Batch({**batch.x, **states}, batch.domain, batch.domains, batch.label, batch.row_id), list(expected)
    )
    torch.testing.assert_close(again, expected)


def test_states_are_fixed_once_nothing_of_the_backbone_is_trained():
    model, featurizer = build("uni_ctr", domains=("books", "tools"))
    batch = toy_batch(featurizer)
    assert model.fixed_states(batch) == {}
    model.add_domain("games")
    assert set(model.fixed_states(batch)) == {"hidden"}


def test_only_lora_and_heads_are_trained():
    model, _ = build("uni_ctr")
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in trained if name.startswith("backbone."))
    groups = model.parameter_groups()
    assert sum(len(group) for group in groups.values()) == len(trained)


def test_random_backbones_are_said_to_be_random():
    assert build("uni_ctr")[0].notes() == ("backbone tiny-bert has random weights",)


def test_prompts_are_no_longer_than_the_backbones_positions():
    config = Config(backbone="tiny-bert", max_length=100_000)
    assert UniCTR.featurizer(config).max_length == 512


def test_a_prompt_may_be_a_template_of_ones_own():
    _, featurizer = build("uni_ctr", prompt={"template": "{domain_title}: {title}"})
    texts = toy_batch(featurizer).x["input_ids"]
    assert texts.shape[1] < toy_batch(build("uni_ctr")[1]).x["input_ids"].shape[1]


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


def test_adapters_are_those_that_are_set():
    model, _ = build("uni_ctr", lora_rank=3, lora_alpha=6, lora_dropout=0.2, lora_targets=("key",))
    adapter = model.backbone.peft_config["default"]
    assert (adapter.r, adapter.lora_alpha, adapter.lora_dropout, adapter.target_modules) == (3, 6, 0.2, {"key"})


@pytest.mark.parametrize("tuning", ["lora", "full", "frozen"])
def test_rates_may_be_set_for_groups_that_this_tuning_has_not(tuning):
    model, _ = build("uni_ctr", tuning=tuning)
    rates = TrainConfig(lr_groups={"lora": 1e-4, "backbone": 1e-5, "dense": 1e-3})
    groups = model.parameter_groups()
    (optimizer,) = build_optimizers(groups, rates)
    moved = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert moved == {id(p): rates.lr_groups[name] for name, found in groups.items() for p in found}
    assert len(moved) == sum(p.requires_grad for p in model.parameters())


def test_what_a_frozen_layer_itself_drops_is_nothing_where_layers_run_twice():
    encoder = OPTModel(
        OPTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, ffn_dim=16, vocab_size=20, dropout=0.5)
    )
    run_twice(encoder, own_dropout=True)
    assert {layer.dropout for layer in encoder_layers(encoder)} == {0.5}
    run_twice(encoder, own_dropout=False)
    assert {layer.dropout for layer in encoder_layers(encoder)} == {0.0}


def test_once_frozen_no_layer_runs_twice():
    model, _ = build("uni_ctr", gradient_checkpointing=True, domains=("books",))
    assert all(layer.training for layer in encoder_layers(model.train().backbone))
    model.add_domain("games")
    assert not any(module.training for module in model.train().backbone.modules())


def test_encoding_leaves_the_batch_as_it_was():
    model, featurizer = build("uni_ctr")
    batch = toy_batch(featurizer)
    batch.x["attention_mask"][0] = False
    before = batch.x["attention_mask"].clone()
    model.encode(batch)
    assert torch.equal(batch.x["attention_mask"], before)
