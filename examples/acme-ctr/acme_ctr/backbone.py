"""The backbone `acme_backbone`: a tiny BERT with random weights, built in code, for tests and offline runs."""

from __future__ import annotations

from typing import Any

import torch

from ctrbench.api import BackboneFiles, byte_tokenizer

api_version = 1


def resolve(name: str) -> BackboneFiles | None:
    """A tiny BERT with random weights, built in code; None for a name that is not its own.

    A trained one is a folder, `BackboneFiles(name, "/path/to/it")`, or on a model hub at a fixed revision,
    `BackboneFiles(name, "owner/name", "commit")`.
    """
    return BackboneFiles(name, build=_build) if name == "acme_backbone" else None


def _build() -> tuple[Any, Any]:
    """Model and tokenizer; the same weights each time, and the global random state as it was."""
    from transformers import BertConfig, BertModel  # slow to import: only where it is used

    tokenizer = byte_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=256,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return BertModel(config, add_pooling_layer=False), tokenizer
