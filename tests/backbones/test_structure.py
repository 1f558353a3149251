"""What is told of a backbone without knowing its family: layers, final norm, positions."""

import json

import pytest
import torch
from transformers import AutoConfig, AutoModel

from ctrbench.backbones.load import load_encoder
from ctrbench.backbones.lora import with_lora
from ctrbench.backbones.structure import encoder_layers, final_norm, is_causal, positions

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 50,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
WITH_NORM = ["tiny-llama", "gpt2", "opt", "bloom", "gpt_neox", "phi", "modernbert", "gemma2"]
WITHOUT = ["tiny-bert", "tiny-deberta", "roberta", "distilbert", "albert"]


def encoder_of(name):
    if name.startswith("tiny"):
        return load_encoder(name).eval()
    torch.manual_seed(0)
    encoder = AutoModel.from_config(AutoConfig.for_model(name, **SIZES))
    for weight in encoder.parameters():  # norms start as the identity but for scale; these do not
        weight.data.add_(0.1 * torch.randn_like(weight))
    return encoder.eval()


@torch.no_grad()
def states_of(encoder):
    """(last hidden state, output of the last layer), each (B, J, d)."""
    raw = []
    layers = encoder_layers(encoder)
    hook = layers[-1].register_forward_hook(lambda layer, _, out: raw.append(out if torch.is_tensor(out) else out[0]))
    ids = torch.arange(3, 11)[None]
    states = encoder(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True).hidden_states
    hook.remove()
    return states[-1], raw[0]


@pytest.mark.parametrize("name", WITH_NORM)
def test_the_final_norm_makes_of_a_layers_output_what_transformers_makes_of_the_last(name):
    encoder = encoder_of(name)
    last, raw = states_of(encoder)
    assert not torch.allclose(raw, last, atol=1e-3)
    torch.testing.assert_close(final_norm(encoder)(raw), last)


@pytest.mark.parametrize("name", [name for name in WITHOUT if name != "albert"])
def test_where_each_layer_ends_in_a_norm_states_pass_unchanged(name):
    encoder = encoder_of(name)
    last, raw = states_of(encoder)
    assert torch.equal(final_norm(encoder)(raw), last)


def test_one_layer_run_many_times_is_no_stack_and_has_no_final_norm():
    encoder = encoder_of("albert")
    states = torch.randn(2, 3, 32)
    assert encoder_layers(encoder) == []
    assert torch.equal(final_norm(encoder)(states), states)


def test_the_final_norm_is_found_inside_a_wrapper_and_is_no_module():
    encoder = load_encoder("tiny-llama")
    norm = final_norm(with_lora(encoder, 2, 4, 0.0, None))
    assert norm.__self__ is encoder.norm
    assert not isinstance(norm, torch.nn.Module)


UNSURE = ["bloom"]  # causal, but none of its modules says so


@pytest.mark.parametrize("name", [*WITH_NORM, *WITHOUT])
def test_causal_is_what_lets_no_later_token_change_an_earlier_one(name):
    encoder = encoder_of(name)
    ids = torch.arange(3, 11)[None]
    changed = ids.clone()
    changed[0, -1] = 40
    with torch.no_grad():
        earlier = [encoder(input_ids=each).last_hidden_state[0, :-1] for each in (ids, changed)]
    assert is_causal(encoder) == (torch.allclose(*earlier, atol=1e-6) and name not in UNSURE)


@pytest.mark.parametrize(
    ("changes", "longest"),
    [
        ({"model_type": "bert"}, 64),
        ({"model_type": "deberta-v2"}, 64),
        ({"model_type": "llama"}, 64),
        ({"model_type": "gpt2"}, 64),
        ({"model_type": "roberta", "pad_token_id": 1}, 62),
        ({"model_type": "mpnet", "pad_token_id": 1}, 62),
        ({"model_type": "llama", "max_position_embeddings": 10**15}, None),
        ({"model_type": "bloom", "max_position_embeddings": None}, None),
    ],
)
def test_positions_are_read_from_the_configuration_alone(changes, longest, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(AutoConfig.for_model(**(SIZES | changes)).to_dict()))
    assert positions(str(tmp_path)) == longest


def test_a_prompt_may_be_as_long_as_positions_say(tmp_path):
    config = AutoConfig.for_model("roberta", **(SIZES | {"pad_token_id": 1}))
    encoder = AutoModel.from_config(config)
    encoder.save_pretrained(tmp_path)
    longest = positions(str(tmp_path))
    ids = torch.full((1, longest), 7)
    assert encoder(ids).last_hidden_state.shape == (1, longest, 32)
    with pytest.raises((IndexError, RuntimeError)):
        encoder(torch.full((1, longest + 1), 7))
