"""Uni-CTR: the likely mistakes, each as a test, on tiny backbones; its equations against plain loops."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ctrbench.backbones.structure import encoder_layers
from ctrbench.errors import BackboneError, ConfigError
from ctrbench.features.batch import Batch
from ctrbench.features.featurizer import FeatureInfo
from ctrbench_plugins.models.uni_ctr import model as module
from ctrbench_plugins.models.uni_ctr.config import Config, tap_layers
from ctrbench_plugins.models.uni_ctr.layers import AttentionPooling, DomainNetwork, Ladder, TokenAttention
from ctrbench_plugins.models.uni_ctr.model import UniCTR
from tests.toys import DOMAINS, build, toy_batch

BACKBONES = pytest.mark.parametrize("backbone", ["tiny-bert", "tiny-deberta", "tiny-llama"])
BLOCKS = ("transformer", "mlp", "attention", "none")
GATES = ("token", "feature", "add")


def padded(batch: Batch, length: int) -> Batch:
    """The same rows with more padding."""
    extra = length - batch.x["input_ids"].shape[1]
    x = {key: nn.functional.pad(value, (0, extra)) for key, value in batch.x.items()}
    return Batch(x, batch.domain, batch.domains, batch.label, batch.row_id)


# 1. A ladder attends over tokens, not over the batch.
@pytest.mark.parametrize("block", ["transformer", "attention"])
def test_a_ladder_sees_the_rows_own_tokens_only(block):
    ladder = Ladder(64, narrowing=4, heads=2, dropout=0.0, block=block).eval()
    x, mask = torch.randn(4, 6, 64), torch.ones(4, 6, dtype=torch.bool)
    before = ladder(x, mask)
    other_row = x.clone()
    other_row[2] += 1.0
    assert torch.equal(ladder(other_row, mask)[0], before[0])
    other_token = x.clone()
    other_token[0, 5] += 1.0
    assert not torch.allclose(ladder(other_token, mask)[0, 1], before[0, 1])


def test_a_ladder_without_attention_sees_one_token_at_a_time():
    ladder = Ladder(64, narrowing=4, heads=2, dropout=0.0, block="mlp").eval()
    x, mask = torch.randn(2, 6, 64), torch.ones(2, 6, dtype=torch.bool)
    other = x.clone()
    other[0, 5] += 1.0
    torch.testing.assert_close(ladder(other, mask)[0, :5], ladder(x, mask)[0, :5])


def test_a_ladder_has_the_published_codes_size():
    sizes = {width: sum(p.numel() for p in Ladder(width, 4, 2, 0.0).parameters()) for width in (312, 768, 1024, 2048)}
    assert sizes == {312: 178_308, 768: 1_073_664, 1024: 1_906_688, 2048: 7_614_464}


def test_token_attention_drops_weights_at_its_rate_and_only_in_training():
    attention = TokenAttention(8, heads=2, dropout=0.5)
    z, mask = torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool)
    dropped = []
    attention.dropout.register_forward_hook(lambda module, args, out: dropped.append((out == 0).float().mean().item()))
    attention.train()(z.repeat(400, 1, 1), mask.repeat(400, 1))
    assert torch.equal(attention.eval()(z, mask), attention(z, mask))
    assert dropped == [pytest.approx(0.5, abs=0.02), 0.0, 0.0]


def test_token_attention_is_torchs_own():
    ours, theirs = TokenAttention(12, heads=3, dropout=0.0), nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        for parameter in ours.parameters():
            nn.init.normal_(parameter)
        theirs.in_proj_weight.copy_(ours.into.weight)
        theirs.in_proj_bias.copy_(ours.into.bias)
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    z, mask = torch.randn(2, 5, 12), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    torch.testing.assert_close(ours(z, mask)[mask], theirs(z, z, z, key_padding_mask=~mask)[0][mask])


@pytest.mark.parametrize("block", BLOCKS[:-1])
def test_a_ladder_is_the_equation(block):
    ladder, relu = Ladder(16, narrowing=4, heads=2, dropout=0.0, block=block), torch.relu
    x, mask = torch.randn(3, 5, 16), torch.ones(3, 5, dtype=torch.bool)
    w1, w3 = ladder.down[0], ladder.up[0]
    z = w1(x) if block == "attention" else ladder.down[2](relu(w1(x)))
    a = ladder.norm(z if block == "mlp" else z + ladder.attention(z, mask))
    up = w3(a) if block == "attention" else ladder.up[2](relu(w3(a)))
    torch.testing.assert_close(ladder(x, mask), ladder.out_norm(x + up))


def test_a_width_that_does_not_split_is_one_sentence():
    with pytest.raises(ConfigError, match=r"32 wide.*narrowing and heads"):
        build("uni_ctr", heads=3)


# 3. Ladders tap h_phi ... h_Fphi, never h_0.
@pytest.mark.parametrize(
    ("layers", "settings", "taps"),
    [
        (24, {}, (6, 12, 18, 24)),
        (4, {}, (1, 2, 3, 4)),
        (12, {}, (3, 6, 9, 12)),
        (6, {}, (2, 3, 5, 6)),
        (24, {"ladders": 3}, (8, 16, 24)),
        (24, {"frequency": 4}, (4, 8, 12, 16, 20, 24)),
        (24, {"frequency": 4, "ladders": 2}, (4, 8)),
        (24, {"tap_embeddings": True}, (0, 6, 12, 18, 24)),
        (24, {"tap_embeddings": True, "frequency": 4}, (0, 4, 8, 12, 16, 20, 24)),
        (24, {"taps": (0, 2, 4)}, (0, 2, 4)),
        (24, {"block": "none"}, ()),
    ],
)
def test_taps(layers, settings, taps):
    assert tap_layers(layers, Config(**settings)) == taps


@pytest.mark.parametrize(
    ("layers", "settings"), [(3, {}), (6, {"frequency": 2, "ladders": 4}), (6, {"frequency": 7}), (6, {"taps": (7,)})]
)
def test_a_backbone_with_too_few_layers_is_one_sentence(layers, settings):
    with pytest.raises(ConfigError, match=f"{layers} layers; set fewer ladders"):
        tap_layers(layers, Config(**settings))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"taps": (4, 2)}, "rising order"),
        ({"taps": ()}, "rising order"),
        ({"taps": (2, 4), "ladders": 2}, "leave them out"),
        ({"tuning": "full", "backbone_dtype": "bf16"}, "fp32"),
        ({"heads": 2.5}, "heads"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        Config(**settings)


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


def test_pooling_is_the_equation_over_real_tokens():
    pooling = AttentionPooling(5)
    nn.init.normal_(pooling.query)
    tokens, mask = torch.randn(2, 4, 5), torch.tensor([[True] * 4, [True, True, False, False]])
    for row, length in enumerate((4, 2)):
        scores = [torch.tanh(pooling.key(tokens[row, j])) @ pooling.query for j in range(length)]
        weights = torch.stack(scores).softmax(0)
        expected = sum(weights[j] * tokens[row, j] for j in range(length))
        torch.testing.assert_close(pooling(mask, tokens)[row], expected)


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


def test_without_ladders_a_dsn_pools_the_last_hidden_state():
    network = DomainNetwork(8, tower=(4,), dropout=0.0).eval()
    mask, last = torch.tensor([[True, True, False]]), torch.randn(1, 3, 8)
    torch.testing.assert_close(network(mask, last), network.tower(network.gate(mask, last)))


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


def test_the_general_loss_can_weigh_less():
    model, featurizer = build("uni_ctr", general_weight=0.25, dropout=0.0, lora_dropout=0.0)
    batch = toy_batch(featurizer)
    own, general = (
        nn.functional.binary_cross_entropy_with_logits(logits, batch.label)
        for logits in model.eval().logits(batch, ("own", "general")).values()
    )
    torch.testing.assert_close(model.loss(batch), own + 0.25 * general)


def test_full_tuning_trains_the_backbone_with_its_own_dropout():
    model, featurizer = build("uni_ctr", tuning="full")
    assert model.train().backbone.training
    model.loss(toy_batch(featurizer)).backward()
    groups = model.parameter_groups()
    assert set(groups) == {"backbone", "dense"}
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


def test_a_removed_domain_leaves_every_other_bit_as_it_was():
    model, featurizer = build("uni_ctr")
    batch, kept = toy_batch(featurizer), [name for name in DOMAINS if name != "games"]
    with torch.no_grad():
        before = model.eval().logits(batch, (*kept, "general"))
        model.remove_domain("games")
        after = model.logits(batch, (*kept, "general"))
    assert not any("games" in key for key in model.state_dict())
    assert all(torch.equal(before[head], after[head]) for head in before)


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
