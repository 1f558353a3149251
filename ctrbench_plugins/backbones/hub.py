"""Backbones of the Uni-CTR paper (arXiv 2312.10743, Figure 4), each at one revision of its repository."""

from __future__ import annotations

from ctrbench.api import BackboneFiles

_REVISIONS = {
    "tinybert-14m": ("huawei-noah/TinyBERT_General_4L_312D", "34707a33cd59a94ecde241ac209bf35103691b43"),
    "bert-base": ("google-bert/bert-base-uncased", "86b5e0934494bd15c9632b12f734a8a67f723594"),
    "deberta-v3-large": ("microsoft/deberta-v3-large", "64a8c8eab3e352a784c658aef62be1662607476f"),
    "sheared-llama-1.3b": ("princeton-nlp/Sheared-LLaMA-1.3B", "a4b76938edbf571ea7d7d9904861cbdca08809b4"),
}


def resolve(name: str) -> BackboneFiles:
    """The hub id and revision behind a name."""
    return BackboneFiles(name, *_REVISIONS[name])
