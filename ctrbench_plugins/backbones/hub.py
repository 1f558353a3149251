"""Backbones of the Uni-CTR paper (arXiv 2312.10743, Figure 4), each at one revision of its repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ctrbench.api import BackboneFiles

api_version = 1


class _Hub(NamedTuple):
    path: str
    revision: str
    architecture: Mapping[str, Any]
    """What decides sizes, from the repository's `config.json`; the rest is as transformers has it for the type."""


def _bert(layers: int, width: int, inner: int) -> dict[str, Any]:
    return {
        "model_type": "bert",
        "vocab_size": 30_522,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": 12,
        "intermediate_size": inner,
        "max_position_embeddings": 512,
    }


_REPOSITORIES = {
    "tinybert-14m": _Hub(
        "huawei-noah/TinyBERT_General_4L_312D", "34707a33cd59a94ecde241ac209bf35103691b43", _bert(4, 312, 1200)
    ),
    "bert-base": _Hub(
        "google-bert/bert-base-uncased", "86b5e0934494bd15c9632b12f734a8a67f723594", _bert(12, 768, 3072)
    ),
    "deberta-v3-large": _Hub(
        "microsoft/deberta-v3-large",
        "64a8c8eab3e352a784c658aef62be1662607476f",
        {
            "model_type": "deberta-v2",
            "vocab_size": 128_100,
            "hidden_size": 1024,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "intermediate_size": 4096,
            "max_position_embeddings": 512,
            "type_vocab_size": 0,
            "relative_attention": True,
            "position_buckets": 256,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
        },
    ),
    "sheared-llama-1.3b": _Hub(
        "princeton-nlp/Sheared-LLaMA-1.3B",
        "a4b76938edbf571ea7d7d9904861cbdca08809b4",
        {
            "model_type": "llama",
            "vocab_size": 32_000,
            "hidden_size": 2048,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "num_key_value_heads": 16,
            "intermediate_size": 5504,
            "max_position_embeddings": 4096,
        },
    ),
}


def resolve(name: str) -> BackboneFiles | None:
    """The hub id, revision and architecture behind a name."""
    if name not in _REPOSITORIES:
        return None
    path, revision, architecture = _REPOSITORIES[name]
    return BackboneFiles(name, path, revision, architecture=architecture)
