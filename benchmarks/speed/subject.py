"""What the benchmarks of Uni-CTR measure: the model of the demo profile, and the demo's rows in its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch

from ctrbench import registry
from ctrbench.api import FeatureInfo
from ctrbench.bench.session import load_dataset
from ctrbench.data.store import PreparedDataset
from ctrbench.features.loader import Rows
from ctrbench.training.config import TrainConfig

DOMAINS = ("fashion", "musical_instruments", "gift_cards")
LADDERS = {"minilm": 3}
"""Where the paper's four do not fit the layers."""
TRAIN = TrainConfig(optimizer="adamw", lr=8e-5, weight_decay=1e-3)
BATCHES = (32, 128)
"""The demo profile's, and the paper's."""


def demo() -> PreparedDataset:
    """The embedded data."""
    return load_dataset("demo")


def uni_ctr(domains: Sequence[str] = DOMAINS, backbone: str = "minilm", **settings: Any) -> Any:
    """A model with the paper's settings, but for those given; its new weights follow from the seed 0."""
    kind = registry.load("models", "uni_ctr")
    torch.manual_seed(0)
    config = kind.Config(backbone=backbone, ladders=LADDERS.get(backbone, "auto"), **settings)
    return kind(config, FeatureInfo(), tuple(domains))


def featurizer(data: PreparedDataset, backbone: str = "minilm") -> Any:
    """Prompts in the backbone's tokens."""
    kind = registry.load("models", "uni_ctr")
    return kind.featurizer(kind.Config(backbone=backbone)).fit(data.scan("train"), data.items, data.manifest)


def view(
    data: PreparedDataset,
    split: Literal["train", "valid", "test"],
    domains: Sequence[str] = DOMAINS,
    backbone: str = "minilm",
    limit: int | None = None,
) -> Rows:
    """The rows of a split, or the latest `limit` of each domain."""
    return Rows.build(data.rows(split, domains, limit), data.items, featurizer(data, backbone), domains)
