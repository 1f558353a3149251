"""Encoders and tokenizers through transformers' Auto classes, which are imported when first used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ctrbench.backbones.files import BackboneFiles, resolve_backbone
from ctrbench.backbones.known import byte_tokenizer, configuration, known
from ctrbench.backbones.pretrained import one_sentence, read
from ctrbench.errors import BackboneError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast


def load_tokenizer(name: str) -> PreTrainedTokenizerFast:
    """The backbone's own fast tokenizer, with a padding token.

    One that has none pads with its end-of-text token, else its unknown token, else token 0: what stands at padded
    positions is masked anyway. Raises `BackboneError` where the files hold no fast tokenizer.
    """
    files = resolve_backbone(name)
    if files.build is not None:
        tokenizer = files.build()[1]
    elif known(files) is not None:
        tokenizer = byte_tokenizer()
    else:
        from transformers import AutoTokenizer

        tokenizer = read(AutoTokenizer, files, "tokenizer")
    if not getattr(tokenizer, "is_fast", False):
        raise BackboneError(f"backbone '{name}' has no fast tokenizer, which ctrbench needs; name another backbone")
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):  # transformers makes one up
        raise BackboneError(f"backbone '{name}' comes without the vocabulary of its tokenizer; {files.advice}")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
    tokenizer.padding_side = "right"
    tokenizer.truncation_side = "left"  # a long prompt loses user and oldest history; the product, its end, stays
    return tokenizer


def load_encoder(name: str, dtype: Literal["fp32", "bf16"] = "fp32") -> PreTrainedModel:
    """The backbone without any task head, its weights in `dtype`, every one frozen.

    Inside `torch.device("meta")` no weight is read, but it is seen that there are some. Raises `BackboneError` where
    the files are not there, are damaged, lack a weight, hold more than tensors, or do not fit into memory.
    """
    import torch

    files = resolve_backbone(name)
    if torch.get_default_device().type == "meta":
        _see_weights(files)
    return _encoder(files, {"fp32": torch.float32, "bf16": torch.bfloat16}[dtype])


def empty_encoder(name: str) -> PreTrainedModel:
    """The backbone on the device `meta`, from its configuration alone."""
    import torch

    with torch.device("meta"):
        return _encoder(resolve_backbone(name), torch.float32)


def _encoder(files: BackboneFiles, kind: torch.dtype) -> PreTrainedModel:
    import torch

    if files.build is None:
        encoder = _from_files(files, kind)
    else:
        encoder = files.build()[0]
        for weight in encoder.parameters():  # not buffers: rotary frequencies need their precision
            weight.data = weight.data.to(kind)
    if hasattr(encoder, "pooler"):
        encoder.pooler = None
    encoder.config.use_cache = False
    if not torch.accelerator.is_available():
        # on a CPU, and with prompts of usual length, torch's fused attention is slower, backwards in bf16 twice
        encoder.set_attn_implementation("eager")
    return encoder.requires_grad_(False)


def _from_files(files: BackboneFiles, dtype: torch.dtype) -> Any:
    """Weights from safetensors, GGUF, or a `.bin` through torch's loader of plain tensors; code from nowhere."""
    import torch
    from transformers import AutoConfig, AutoModel

    architecture = known(files)
    config = configuration(architecture) if architecture else read(AutoConfig, files, "configuration")
    _refuse_kinds(files, config)
    config._attn_implementation = None  # transformers' choice: a configuration may name compiled code on a hub
    if torch.get_default_device().type == "meta":
        with one_sentence(files, "configuration"):
            return AutoModel.from_config(config, dtype=dtype, trust_remote_code=False)
    encoder, found = read(
        AutoModel,
        files,
        "weights",
        config=config,
        dtype=dtype,
        weights_only=True,
        ignore_mismatched_sizes=True,  # `_refuse_random` tells of them
        output_loading_info=True,
        **(_unpacked() if files.gguf else {}),
    )
    _refuse_random(files, [*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])])
    return encoder


def _see_weights(files: BackboneFiles) -> None:
    """Whether a local folder has weights, and how its safetensors begin: all that can be told without reading them."""
    from safetensors import safe_open

    folder = Path(files.path)
    if files.build is not None or files.gguf is not None or not folder.is_dir():
        return
    tensors = list(folder.glob("*.safetensors"))
    if not tensors and not any(folder.glob("pytorch_model*.bin")):
        raise BackboneError(
            f"backbone '{files.name}': {folder} holds no weights (*.safetensors or pytorch_model*.bin); {files.advice}"
        )
    for path in tensors:
        with one_sentence(files, "weights"), safe_open(path, framework="pt"):
            pass


def _unpacked() -> dict[str, Any]:
    """GGUF weights as plain layers: LoRA fits no packed ones, and the kernels that compute with them are fetched code.

    Versions of transformers without `GgufConfig` always unpack.
    """
    import transformers

    config = getattr(transformers, "GgufConfig", None)
    return {"quantization_config": config(dequantize=True)} if config is not None else {}


def _refuse_kinds(files: BackboneFiles, config: PreTrainedConfig) -> None:
    """What cannot be a backbone, by its configuration."""
    kind = None
    if config.is_encoder_decoder:
        kind = f"an encoder with a decoder ({config.model_type}); name one that is either alone"
    elif getattr(config, "quantization_config", None):
        kind = "stored with quantised weights, which LoRA and gradients do not fit; name the original, or a GGUF file"
    if kind is not None:
        raise BackboneError(f"backbone '{files.name}' is {kind}")


def _refuse_random(files: BackboneFiles, keys: list[str]) -> None:
    """transformers fills what it does not find with random numbers; no result may rest on those."""
    random = sorted(key for key in keys if not key.startswith("pooler."))
    if random:
        raise BackboneError(
            f"backbone '{files.name}': its files lack {len(random)} of its weights, or have them in another shape "
            f"(the first is {random[0]}), and would leave them random; {files.advice}"
        )
