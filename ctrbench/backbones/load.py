"""Encoders and tokenizers through transformers' Auto classes; LoRA through peft. Both are imported when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ctrbench.backbones.files import BackboneFiles, resolve_backbone
from ctrbench.errors import BackboneError, ConfigError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


def load_tokenizer(name: str) -> PreTrainedTokenizerFast:
    """The backbone's own fast tokenizer, with a padding token."""
    files = resolve_backbone(name)
    if files.build is not None:
        tokenizer = files.build()[1]
    else:
        from transformers import AutoTokenizer

        tokenizer = _load(AutoTokenizer, files)
    if not getattr(tokenizer, "is_fast", False):
        raise BackboneError(f"backbone '{name}' has no fast tokenizer, which ctrbench needs")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    tokenizer.truncation_side = "left"  # a long prompt loses user and oldest history; the product, its end, stays
    return tokenizer


def load_encoder(name: str) -> PreTrainedModel:
    """The backbone without any task head, in fp32, every weight frozen.

    Inside `torch.device("meta")` its configuration is read, and no weight.
    """
    import torch

    files = resolve_backbone(name)
    if files.build is not None:
        encoder = files.build()[0]
    else:
        from transformers import AutoConfig, AutoModel

        if torch.get_default_device().type == "meta":
            encoder = AutoModel.from_config(_load(AutoConfig, files))
        else:
            encoder = _load(AutoModel, files, dtype=torch.float32)
    if hasattr(encoder, "pooler"):
        encoder.pooler = None
    encoder.config.use_cache = False
    return encoder.requires_grad_(False)


def with_lora(
    encoder: PreTrainedModel, rank: int, alpha: int, dropout: float, targets: tuple[str, ...] | None
) -> nn.Module:
    """The encoder with trainable low-rank adapters (Hu et al., arXiv 2106.09685); its own weights stay frozen.

    `targets` are names of linear layers; None takes the query and value projections, found by architecture.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, bias="none", target_modules=list(targets) if targets else None
    )
    try:
        return get_peft_model(encoder, config)
    except ValueError as error:
        kind = encoder.config.model_type
        raise ConfigError(f"LoRA does not fit a backbone of type '{kind}': {error}; set lora_targets") from error


def _load(auto: Any, files: BackboneFiles, **options: Any) -> Any:
    try:
        return auto.from_pretrained(files.path, revision=files.revision or "main", trust_remote_code=False, **options)
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BackboneError(f"backbone '{files.name}' is not here: {files.advice} ({reason.rstrip('.')})") from error
