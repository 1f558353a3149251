"""What a backbone promises of its encoder."""

from __future__ import annotations

from typing import Any

import torch
from torch.testing import assert_close

from ctrbench.backbones.load import load_encoder, load_tokenizer
from ctrbench.backbones.lora import with_lora
from ctrbench.backbones.structure import encoder_layers, positions
from ctrbench.testing.backbones.subject import TEXTS, BackboneSubject, states_of
from ctrbench.testing.promises import promise
from ctrbench.testing.world import generators_untouched

_PADS = 3
_LONG = 1024
"""Tokens of an input that a test computes."""


class EncoderPromises(BackboneSubject):
    """What a backbone promises of its encoder."""

    @promise("bring an encoder that transformers' AutoModel loads, or that `build` makes of one of its classes.")
    def test_every_layer_has_states(self) -> None:
        """The encoder gives finite hidden states (B, T, width) of the embeddings and of every layer."""
        for name in self._here():
            encoder, tokens = self._encoder(name), self._tokens(name)
            states, width = states_of(encoder, tokens), encoder.config.hidden_size
            shape = (*tokens["input_ids"].shape, width)
            count = encoder.config.num_hidden_layers + 1
            assert len(states) == count, f"{name} has {len(states)} states, and {count - 1} layers"
            for layer, state in enumerate(states):
                assert state.shape == shape, f"state {layer} of {name} has shape {tuple(state.shape)}, not {shape}"
                assert state.isfinite().all(), f"state {layer} of {name} has numbers that are not finite"
            assert not encoder.get_input_embeddings().weight.requires_grad, f"the weights of {name} are not frozen"

    @promise("let attention follow the mask, and positions count from the first token.")
    def test_padding_changes_no_state(self) -> None:
        """A row has the same states alone, beside longer rows, and however far its batch is padded on the right."""
        for name in self._here():
            encoder, tokens = self._encoder(name), self._tokens(name)
            ids, mask = tokens["input_ids"], tokens["attention_mask"]
            wider = {
                "input_ids": torch.nn.functional.pad(ids, (0, _PADS), value=int(self._tokenizer(name).pad_token_id)),
                "attention_mask": torch.nn.functional.pad(mask, (0, _PADS)),
            }
            together, padded = states_of(encoder, tokens)[-1], states_of(encoder, wider)[-1]
            for row, length in enumerate(mask.sum(1).tolist()):
                bare = {"input_ids": ids[row : row + 1, :length], "attention_mask": mask[row : row + 1, :length]}
                alone = states_of(encoder, bare)[-1][0]
                for what, other in (("beside longer rows", together), ("with more padding", padded)):
                    told = f"the states of {TEXTS[row]!r} in {name} are others {what}"
                    assert_close(other[row, :length], alone, atol=1e-3, rtol=1e-3, msg=told)

    @promise("make random weights from a seed of your own inside `torch.random.fork_rng()`, or store them.")
    def test_loading_again_gives_the_same(self) -> None:
        """Whatever the seed, a second loading gives the same weights and tokens; `build` touches no random state."""
        for name in self._here():
            build = self._found(name).build
            with torch.random.fork_rng(), self._registered():
                torch.manual_seed(1234)
                if build is not None:
                    with generators_untouched():
                        build()
                state, tokenizer = load_encoder(name).state_dict(), load_tokenizer(name)
            before = self._encoder(name).state_dict()
            odd = [key for key in before if key not in state or not torch.equal(state[key], before[key])]
            assert not odd, f"{odd[0]} of {name} is another"
            same = tokenizer(list(TEXTS))["input_ids"] == self._tokenizer(name)(list(TEXTS))["input_ids"]
            assert same, f"the tokens of {name} are others"

    @promise(
        "let `num_hidden_layers` of the configuration be the length of one ModuleList; call its projections as usual."
    )
    def test_its_layers_can_be_trained(self) -> None:
        """The layers are found, LoRA finds their projections, and with checkpoints, too, its weights have gradients."""
        for name in self._here():
            with self._registered():
                encoder = load_encoder(name)
            found, count = len(encoder_layers(encoder)), encoder.config.num_hidden_layers
            assert found == count, f"{found} layers are found in {name}, which has {count}"
            assert encoder.supports_gradient_checkpointing, f"{name} does not support gradient checkpointing"
            with torch.random.fork_rng():
                adapted = with_lora(encoder, rank=2, alpha=4, dropout=0.0, targets=None).train()
                _compute_twice(encoder)
                adapted(**self._tokens(name)).last_hidden_state.square().mean().backward()
            weights = {key: weight for key, weight in adapted.named_parameters() if weight.requires_grad}
            without = [key for key, weight in weights.items() if weight.grad is None]
            assert weights, f"LoRA found nothing to adapt in {name}"
            assert not without, f"{without[0]} of {name} has no gradient"

    @promise("let `max_position_embeddings` of the configuration be the length that the weights were made for.")
    def test_the_longest_input_is_known(self) -> None:
        """An input as long as the configuration allows has states that are finite."""
        for name in self._here():
            with self._registered():
                limit = positions(name)
            length = min(limit or _LONG, _LONG)
            ids = torch.full((1, length), self._tokens(name)["input_ids"][0, 0].item())
            state = states_of(self._encoder(name), {"input_ids": ids, "attention_mask": torch.ones_like(ids)})[-1]
            assert state.isfinite().all(), f"the states of {length} tokens of {name} are not finite"


def _compute_twice(encoder: Any) -> None:
    """Gradient checkpointing; older versions of transformers have only the name that newer ones warn of."""
    enable = getattr(encoder, "activation_checkpointing_enable", None) or encoder.gradient_checkpointing_enable
    enable({"use_reentrant": False})
