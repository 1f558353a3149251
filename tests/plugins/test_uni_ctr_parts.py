"""Uni-CTR's ladder, attention, gate and taps: each equation against a plain one, each likely mistake."""

import pytest
import torch
from torch import nn

from ctrbench.errors import ConfigError
from ctrbench_plugins.models.uni_ctr.config import Config, tap_layers
from ctrbench_plugins.models.uni_ctr.layers import AttentionPooling, DomainNetwork, Ladder, TokenAttention

BLOCKS = ("transformer", "mlp", "attention")


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


@pytest.mark.parametrize("block", BLOCKS)
def test_a_ladder_is_the_equation(block):
    ladder, relu = Ladder(16, narrowing=4, heads=2, dropout=0.0, block=block), torch.relu
    x, mask = torch.randn(3, 5, 16), torch.ones(3, 5, dtype=torch.bool)
    w1, w3 = ladder.down[0], ladder.up[0]
    z = w1(x) if block == "attention" else ladder.down[2](relu(w1(x)))
    a = ladder.norm(z if block == "mlp" else z + ladder.attention(z, mask))
    up = w3(a) if block == "attention" else ladder.up[2](relu(w3(a)))
    torch.testing.assert_close(ladder(x, mask), ladder.out_norm(x + up))


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
        ({"taps": (2, 4), "ladders": 2}, "set them to auto"),
        ({"tuning": "full", "backbone_dtype": "bf16"}, "fp32"),
        ({"heads": 2.5}, "heads"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        Config(**settings)


def test_pooling_is_the_equation_over_real_tokens():
    pooling = AttentionPooling(5)
    nn.init.normal_(pooling.query)
    tokens, mask = torch.randn(2, 4, 5), torch.tensor([[True] * 4, [True, True, False, False]])
    for row, length in enumerate((4, 2)):
        scores = [torch.tanh(pooling.key(tokens[row, j])) @ pooling.query for j in range(length)]
        weights = torch.stack(scores).softmax(0)
        expected = sum(weights[j] * tokens[row, j] for j in range(length))
        torch.testing.assert_close(pooling(mask, tokens)[row], expected)


def test_without_ladders_a_dsn_pools_the_last_hidden_state():
    network = DomainNetwork(8, tower=(4,), dropout=0.0).eval()
    mask, last = torch.tensor([[True, True, False]]), torch.randn(1, 3, 8)
    torch.testing.assert_close(network(mask, last), network.tower(network.gate(mask, last)))
