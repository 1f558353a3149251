"""LoRA finds the projections of query and value by architecture, and trains nothing else."""

import pytest
import torch
from transformers import AutoConfig, AutoModel

from ctrbench.backbones.load import load_encoder
from ctrbench.backbones.lora import with_lora
from ctrbench.errors import ConfigError

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 50,
    "pad_token_id": 0,
}


def adapted(encoder, targets=None):
    """Names of the layers that got an adapter, and how many of each there are."""
    model = with_lora(encoder, rank=2, alpha=4, dropout=0.0, targets=targets)
    trained = [key for key, weight in model.named_parameters() if weight.requires_grad]
    assert all("lora_" in key for key in trained)
    names = [key.split(".lora_A")[0].rpartition(".")[2] for key in trained if "lora_A" in key]
    return {name: names.count(name) for name in names}


@pytest.mark.parametrize(
    ("name", "projections"),
    [
        ("tiny-bert", ("query", "value")),
        ("tiny-deberta", ("query_proj", "value_proj")),
        ("tiny-llama", ("q_proj", "v_proj")),
    ],
)
def test_query_and_value_of_every_layer_are_adapted(name, projections):
    assert adapted(load_encoder(name)) == dict.fromkeys(projections, 4)


@pytest.mark.parametrize(
    ("kind", "projections"),
    [
        ("mpnet", ("q", "v")),
        ("distilbert", ("q_lin", "v_lin")),
        ("ernie", ("query", "value")),
        ("modernbert", ("Wqkv",)),
    ],
)
def test_families_that_peft_does_not_know_are_told_by_their_names(kind, projections):
    encoder = AutoModel.from_config(AutoConfig.for_model(kind, **SIZES))
    assert adapted(encoder.requires_grad_(False)) == dict.fromkeys(projections, 3)


def test_a_family_of_neither_is_one_sentence():
    mamba = AutoModel.from_config(AutoConfig.for_model("mamba", **SIZES))
    mamba.config.model_type = "unheard_of"
    with pytest.raises(ConfigError, match=r"type 'unheard_of'.*set lora_targets"):
        with_lora(mamba, rank=2, alpha=4, dropout=0.0, targets=None)


def test_targets_replace_what_is_found():
    assert adapted(load_encoder("tiny-llama"), ("o_proj",)) == {"o_proj": 4}


def test_a_target_that_is_not_there_is_one_sentence():
    with pytest.raises(ConfigError, match="lora_targets"):
        with_lora(load_encoder("tiny-bert"), rank=2, alpha=4, dropout=0.0, targets=("quary",))


def test_a_new_adapter_changes_nothing_yet():
    ids = torch.arange(3, 11)[None]
    with torch.no_grad():
        bare = load_encoder("tiny-llama")(ids).last_hidden_state
        assert torch.equal(with_lora(load_encoder("tiny-llama"), 2, 4, 0.0, None)(ids).last_hidden_state, bare)


def test_adapters_drop_what_they_read_at_the_rate_that_is_set():
    torch.manual_seed(0)
    model = with_lora(load_encoder("tiny-bert"), rank=2, alpha=4, dropout=0.25, targets=None).train()
    dropouts = [module for name, module in model.named_modules() if name.endswith("lora_dropout.default")]
    assert len(dropouts) == 2 * 4
    kept = [(dropout(torch.ones(40_000)) > 0).float().mean().item() for dropout in dropouts]
    assert kept == pytest.approx([0.75] * 8, abs=0.02)


def test_an_adapted_projection_is_the_equation():
    """W x + alpha / r B A x."""
    model = with_lora(load_encoder("tiny-bert"), rank=2, alpha=6, dropout=0.0, targets=("key",)).eval()
    layer = model.get_base_model().encoder.layer[0].attention.self.key
    a, b = layer.lora_A["default"], layer.lora_B["default"]
    torch.nn.init.normal_(b.weight)
    assert a.weight.shape == (2, 32)
    x = torch.randn(3, 32)
    torch.testing.assert_close(layer(x), layer.base_layer(x) + 6 / 2 * x @ a.weight.T @ b.weight.T)
