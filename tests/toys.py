"""The toy dataset of `ctrbench.testing`, and small models by name, for tests of features, models, training and runs."""

from __future__ import annotations

from typing import Any

import torch

from ctrbench import registry
from ctrbench.models.contract import CTRModel
from ctrbench.testing.toy import (
    DOMAINS,
    FIELDS,
    PROMPT,
    toy_batch,
    toy_items,
    toy_manifest,
    toy_rows,
    toy_view as view,
    write_toy,
)

__all__ = [
    "DOMAINS",
    "FIELDS",
    "PROMPT",
    "TINY",
    "build",
    "toy_batch",
    "toy_items",
    "toy_manifest",
    "toy_rows",
    "view",
    "write_toy",
]

TINY: dict[str, dict[str, Any]] = {
    "autoint": {"embedding_dim": 8, "head_dim": 4, "hidden": (16,)},
    "dcn": {"embedding_dim": 8, "hidden": (16,)},
    "deepfm": {"embedding_dim": 8, "hidden": (16,)},
    "dffm": {"embedding_dim": 8, "micro_hidden": (8,), "hidden": (16,), "final_hidden": (8,)},
    "dien": {"embedding_dim": 8, "hidden": (16,)},
    "fibinet": {"embedding_dim": 8, "hidden": (16,)},
    "inttower": {"embedding_dim": 8, "hidden": (16, 12), "head_dim": 4},
    "mmoe": {"embedding_dim": 8, "expert_hidden": (16,), "tower_hidden": (8,)},
    "ple": {"embedding_dim": 8, "expert_hidden": (16,), "tower_hidden": (8,)},
    "pnn": {"embedding_dim": 8, "hidden": (16,)},
    "sar_net": {"embedding_dim": 8, "expert_hidden": (16,), "hidden": (8,)},
    "shared_bottom": {"embedding_dim": 8, "bottom_hidden": (16,), "tower_hidden": (8,)},
    "star": {"embedding_dim": 8, "hidden": (16, 8), "auxiliary_hidden": (16,)},
    "xdeepfm": {"embedding_dim": 8, "cin": (16, 12, 8), "hidden": (16,)},
    "uni_ctr": {"backbone": "tiny-bert", "tower": (16, 8), "max_length": 96},
    "uni_ctr_ids": {"embedding_dim": 8, "width": 16, "depth": 4, "tower": (16, 8)},
}


def build(name: str, domains: tuple[str, ...] = DOMAINS, seed: int = 0, **config: Any) -> tuple[CTRModel, Any]:
    """A small model and its fitted featurizer."""
    kind = registry.load("models", name)
    settings = kind.Config(**{**TINY.get(name, {}), **config})
    featurizer = kind.featurizer(settings).fit(toy_rows(300).lazy(), toy_items(), toy_manifest())
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return kind(settings, featurizer.info, domains), featurizer
