"""What a backbone is made of, found without knowing its family."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from ctrbench.backbones.load import empty_encoder

_NO_LIMIT = 1_000_000  # some configurations write a huge number for "any length"
# What families call the norm behind their last layer; a norm of embeddings has another name, or stands elsewhere.
_FINAL_NORMS = {
    "norm",
    "norm_f",
    "ln",
    "ln_f",
    "ln_out",
    "layer_norm",
    "final_norm",
    "final_layer_norm",
    "final_layernorm",
    "emb_layer_norm_after",
    "embedding_norm",
}


class _Stack(NamedTuple):
    owner: nn.Module
    layers: nn.ModuleList


def encoder_layers(backbone: nn.Module) -> list[nn.Module]:
    """Its transformer layers, first to last, also inside a wrapper (LoRA); none where they cannot be told."""
    stack = _stack(backbone)
    return list(stack.layers) if stack else []


def is_causal(backbone: nn.Module) -> bool:
    """Whether a token surely sees only itself and those before it, as in the Llama family; False where unsure."""
    return any(getattr(module, "is_causal", False) is True for module in backbone.modules())


def final_norm(backbone: nn.Module) -> Callable[[Tensor], Tensor]:
    """What the backbone, bare or in a wrapper (LoRA), applies to the output of its last layer.

    transformers returns the last hidden state behind this norm and those before it bare, in families that normalise
    what goes into a layer (Llama and its kin, GPT-2, ModernBERT). Where what comes out of a layer is normalised (BERT,
    DeBERTa) there is none, and states pass unchanged. So every state but the last, passed through this, is like the
    last. The function is no module: holding it registers no weight a second time.
    """
    stack = _stack(backbone)
    children = dict(stack.owner.named_children()) if stack else {}
    norm = next((child for name, child in children.items() if name in _FINAL_NORMS), None)
    return norm.forward if norm is not None else _unchanged


def positions(name: str) -> int | None:
    """The longest input of backbone `name`, in tokens; None where its configuration states no limit.

    Reads no weight. Raises `BackboneError` where the backbone's configuration cannot be read.
    """
    encoder = empty_encoder(name)
    limit = getattr(encoder.config, "max_position_embeddings", None)
    if not isinstance(limit, int) or not 0 < limit < _NO_LIMIT:
        return None
    return limit - _kept_for_padding(encoder)


def _kept_for_padding(encoder: nn.Module) -> int:
    """RoBERTa and its kin count positions from `padding_idx` + 1 on; no other position embedding has that index."""
    for name, module in encoder.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return int(module.padding_idx) + 1
    return 0


def _stack(backbone: nn.Module) -> _Stack | None:
    """The list of layers, told by its length, and the module that runs through it."""
    count = getattr(getattr(backbone, "config", None), "num_hidden_layers", None)
    for owner in backbone.modules():
        for child in owner.children():
            if isinstance(child, nn.ModuleList) and len(child) == count:
                return _Stack(owner, child)
    return None


def _unchanged(states: Tensor) -> Tensor:
    return states
