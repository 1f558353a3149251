"""Backbones of four sizes with random weights, and random prompts for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch

from ctrbench.api import BackboneFiles, Ragged
from ctrbench.backbones import load
from ctrbench.benchmarks.speed.subject import DOMAINS
from ctrbench.features.loader import Rows

SHAPES: dict[str, dict[str, Any]] = {
    "sheared-llama-1.3b": {
        "vocab_size": 32_000,
        "hidden_size": 2048,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 5504,
        "max_position_embeddings": 4096,
    },
    "deberta-v3-large": {
        "vocab_size": 128_100,
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
    "bert-base": {},
    "minilm": {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536},
}
TINY = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64}
DEBERTA = {
    "relative_attention": True,
    "position_buckets": 256,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "type_vocab_size": 0,
}
SHORTEST = 0.95  # of the longest prompt in a batch: about what bucketing by length leaves


def tokens(length: int) -> float:
    """Of a prompt, on average."""
    return length * (1 + SHORTEST) / 2


def encoder(name: str, tiny: bool) -> Any:
    """A backbone of a shape, with random weights."""
    from transformers import BertConfig, BertModel, DebertaV2Config, DebertaV2Model, LlamaConfig, LlamaModel

    shape = {**SHAPES[name], **(TINY if tiny else {})}
    if "llama" in name:
        return LlamaModel(LlamaConfig(**shape))
    if "deberta" in name:
        return DebertaV2Model(DebertaV2Config(**shape, **DEBERTA))
    return BertModel(BertConfig(**shape), add_pooling_layer=False)


@contextmanager
def random_backbones(device: torch.device, *, tiny: bool) -> Iterator[None]:
    """Within, every name of a backbone stands for random weights in its shape, made on `device`."""

    def resolve(name: str) -> BackboneFiles:
        return BackboneFiles(name, build=lambda: (encoder(name, tiny), None))

    with mock.patch.object(load, "resolve_backbone", resolve), device:
        yield


def random_prompts(count: int, length: int, vocabulary: int) -> Rows:
    """Prompts of nearly `length` tokens, in three domains."""
    lengths = torch.randint(int(SHORTEST * length), length + 1, (count,))
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    values = torch.randint(5, vocabulary, (int(offsets[-1]),), dtype=torch.int32)
    prompts = Ragged(values, offsets, mask="attention_mask")
    domain, label = torch.randint(len(DOMAINS), (count,)), torch.randint(2, (count,)).float()
    return Rows({"input_ids": prompts}, domain, DOMAINS, label, torch.arange(count))
