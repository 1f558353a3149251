"""Low-rank adapters through peft, on projections found by architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrbench.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

# How architectures that peft has no entry for name the projections of query and value; the last ones hold both.
_PROJECTIONS = (
    ("query", "value"),
    ("q_proj", "v_proj"),
    ("query_proj", "value_proj"),
    ("q_lin", "v_lin"),
    ("q", "v"),
    ("query_key_value",),
    ("qkv_proj",),
    ("Wqkv",),
    ("c_attn",),
)


def with_lora(
    encoder: PreTrainedModel, rank: int, alpha: int, dropout: float, targets: tuple[str, ...] | None
) -> nn.Module:
    """The encoder with trainable low-rank adapters (Hu et al., arXiv 2106.09685); its own weights stay frozen.

    Adapters add `alpha / rank` times B A x, A and B of rank `rank`, with `dropout` of x while training.
    `targets` are names of linear layers; None takes the query and value projections, which peft knows for many
    architectures and their names tell for others. Raises `ConfigError` where neither does, or no layer has such a name.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        bias="none",
        target_modules=list(targets or _query_and_value(encoder)) or None,
    )
    try:
        model = get_peft_model(encoder, config)
    except ValueError as error:
        kind, reason = encoder.config.model_type, str(error).split(". ")[0].rstrip(" .")
        raise ConfigError(f"LoRA does not fit a backbone of type '{kind}' ({reason}); set lora_targets") from error
    _cheap_dropout(model)
    return model


def _cheap_dropout(model: nn.Module) -> None:
    """Let adapters draw their masks as the layers of ctrbench do; peft's were a tenth of a step on a CPU."""
    from torch import nn

    from ctrbench.models.layers.dropout import Dropout

    for name, module in model.named_modules():
        if name.endswith("lora_dropout"):
            for adapter, dropout in module.named_children():
                if type(dropout) is nn.Dropout:
                    setattr(module, adapter, Dropout(dropout.p))


def _query_and_value(encoder: PreTrainedModel) -> tuple[str, ...]:
    """Names of the projections; none where peft shall choose, or refuse."""
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING

    if encoder.config.model_type in TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING:
        return ()
    layers = {name.rpartition(".")[2] for name, _ in encoder.named_modules()}
    return next((names for names in _PROJECTIONS if layers.issuperset(names)), ())
