"""Tiny backbones with random weights, built in code: for tests and offline smoke runs, never for results."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from ctrbench.api import BackboneFiles, byte_tokenizer

api_version = 1

_SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 512,
}


def resolve(name: str) -> BackboneFiles | None:
    """`tiny-bert`, `tiny-deberta` or `tiny-llama`: 4 layers, 32 wide, tokens are bytes."""
    return BackboneFiles(name, build=partial(_build, name)) if name in _MODELS else None


def _build(name: str) -> tuple[Any, Any]:
    """The same weights each time, whatever the state of the global random generator."""
    tokenizer = byte_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _MODELS[name](len(tokenizer)), tokenizer


def _bert(tokens: int) -> Any:
    from transformers import BertConfig, BertModel

    return BertModel(BertConfig(vocab_size=tokens, **_SIZES), add_pooling_layer=False)


def _deberta(tokens: int) -> Any:
    """Attention to relative positions in buckets, as in DeBERTa-v3 (He et al., arXiv 2111.09543)."""
    from transformers import DebertaV2Config, DebertaV2Model

    config = DebertaV2Config(
        vocab_size=tokens,
        type_vocab_size=0,
        relative_attention=True,
        position_buckets=32,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        **_SIZES,
    )
    return DebertaV2Model(config)


def _llama(tokens: int) -> Any:
    from transformers import LlamaConfig, LlamaModel

    return LlamaModel(LlamaConfig(vocab_size=tokens, **_SIZES))


_MODELS = {"tiny-bert": _bert, "tiny-deberta": _deberta, "tiny-llama": _llama}
