"""Training rows per second of every ID model, beside deepctr-torch's `fit` on the same rows with the same sizes.

    python benchmarks/speed/id_models.py [--models deepfm,dcn] [--part small|paper|large|growth]

small    the vocabularies of MovieLens-100K, embeddings of 16, deepctr-torch's default sizes
paper    the same with the Uni-CTR paper's sizes, ours by default: larger MLPs, which cost both sides the same
large    the vocabularies of the paper (2.2 M users, 0.4 M items, 50 k brands), embeddings of 32, the paper's sizes
         without dropout
growth   our step with tables ten times as large, beside our step with those of `large`

Both sides train on the CPU through their own loops, on the same random rows (the slow side on the first of them).
Ours is timed over an epoch's steps, batches included, theirs over a call of `fit`. A peer of several tasks runs every
tower on every row: it knows no domains. By default a peer has its own L2 of 1e-5, a pass over whole tables in every
step, which ours has not; `--without-l2` takes it away. Freed memory is kept for the next step, as the `ctrbench`
command does, for both sides.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ctrbench import registry
from ctrbench.api import FeatureInfo, Ragged
from ctrbench.benchmarks.peers import BATCH, PEER_SIZES, PEERS, Arrays, alike, build_peer, fit_peer, id_models, machine
from ctrbench.features.loader import Rows
from ctrbench.training.config import TrainConfig
from ctrbench.training.fit import fit
from ctrbench.training.memory import keep_freed_blocks

Settings = Mapping[str, Mapping[str, Any]]

DOMAINS = ("a", "b", "c")
SMALL = {"user": 943, "item": 1682, "age": 61, "gender": 2, "occupation": 21, "zip": 795, "genre": 19}
LARGE = {"user": 2_200_000, "item": 400_000, "brand": 50_000}
ITEM_FIELDS = ("item", "brand", "genre")
HISTORY, COLD = 5, 0.1  # items in a history, and the share of rows with fewer
GROWTH = 10


def random_rows(sizes: Mapping[str, int], count: int, *, history: bool) -> tuple[Rows, FeatureInfo]:
    """Uniformly drawn ids and labels and, if wanted, histories."""
    starts, start = {}, 0
    for name, size in sizes.items():
        starts[name], start = start, start + size + 1
    ids = torch.stack([torch.randint(2, size + 2, (count,)) + starts[name] for name, size in sizes.items()], dim=1)
    features: dict[str, torch.Tensor | Ragged] = {"ids": ids}
    if history:
        lengths = torch.where(torch.rand(count) < COLD, torch.randint(0, HISTORY, (count,)), HISTORY)
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
        items = torch.randint(2, sizes["item"] + 2, (int(offsets[-1]),)) + starts["item"]
        features["history"] = Ragged(items, offsets)
    info = FeatureInfo(
        ids=tuple(sizes),
        histories=("history",) if history else (),
        vocabulary=start + 1,
        unseen=tuple(begin + 1 for begin in starts.values()),
        of={name: "item" if name in ITEM_FIELDS else "user" for name in (*sizes, "history")},
    )
    domain, label = torch.randint(0, len(DOMAINS), (count,)), torch.randint(0, 2, (count,)).float()
    return Rows(features, domain, DOMAINS, label, torch.arange(count)), info


def our_rate(kind: Any, config: Any, rows: Rows, info: FeatureInfo) -> float:
    """Rows per second of our `fit`; its first epoch is warm-up."""
    result = fit(kind(config, info, DOMAINS), rows, rows, TrainConfig(epochs=2, batch_size=BATCH), seed=0)
    return len(rows) / result.epochs[1].seconds


def peer_rate(name: str, config: Any, arrays: Arrays, *, l2: bool) -> float:
    """Rows per second of the peer's `fit`; a call on one batch is warm-up."""
    model = build_peer(name, config, arrays, seed=0, l2=l2)
    fit_peer(model, arrays.first(BATCH), BATCH)
    start = time.perf_counter()
    fit_peer(model, arrays, BATCH)
    return len(arrays.label) / (time.perf_counter() - start)


def beside_peers(
    names: Sequence[str],
    sizes: Mapping[str, int],
    dim: int,
    steps: int,
    peer_steps: int,
    settings: Settings,
    *,
    l2: bool,
) -> None:
    """One line for each model."""
    print(f"{'model':<14} {'rows/s':>10} {'peer rows/s':>12} {'ratio':>7}", flush=True)
    for name in names:
        kind = registry.load("models", name)
        config = kind.Config(**alike(name, dim), **settings.get(name, {}))
        rows, info = random_rows(sizes, steps * BATCH, history=kind.needs_history)
        mine = our_rate(kind, config, rows, info)
        if name not in PEERS:
            print(f"{name:<14} {mine:>10,.0f} {'-':>12} {'-':>7}", flush=True)
            continue
        other = peer_rate(name, config, Arrays.of(rows, info).first(peer_steps * BATCH), l2=l2)
        print(f"{name:<14} {mine:>10,.0f} {other:>12,.0f} {mine / other:>7.1f}", flush=True)


def growth(names: Sequence[str], steps: int) -> None:
    """Milliseconds per step at the paper's vocabularies and at ten times as many ids."""
    larger = {name: GROWTH * size for name, size in LARGE.items()}
    print(f"{'model':<14} {'ms/step':>10} {'10x the ids':>12} {'ratio':>7}", flush=True)
    for name in names:
        kind = registry.load("models", name)
        config = kind.Config(**alike(name, 32))
        views = (random_rows(sizes, steps * BATCH, history=kind.needs_history) for sizes in (LARGE, larger))
        small, large = (BATCH / our_rate(kind, config, *view) * 1e3 for view in views)
        print(f"{name:<14} {small:>10.1f} {large:>12.1f} {large / small:>7.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", help="comma-separated; default: every ID model")
    parser.add_argument("--part", choices=("small", "paper", "large", "growth"), help="default: all")
    parser.add_argument("--without-l2", action="store_true", help="peers without their L2 on embeddings")
    given = parser.parse_args()
    names, l2 = id_models(given.models), not given.without_l2
    os.environ["ACCELERATE_USE_CPU"] = "true"  # where the peers are
    keep_freed_blocks()
    print(f"{machine()}\nbatches of {BATCH} rows; peers {'with their' if l2 else 'without'} L2")
    if given.part in (None, "small"):
        print(f"\nsmall: {sum(SMALL.values()):,} ids in {len(SMALL)} fields, d = 16")
        beside_peers([name for name in names if name in PEERS], SMALL, 16, 40, 20, PEER_SIZES, l2=l2)
    if given.part in (None, "paper"):
        print("\npaper: the same ids, d = 16, the paper's sizes")
        beside_peers(names, SMALL, 16, 15, 6, {}, l2=l2)
    if given.part in (None, "large"):
        print(f"\nlarge: {sum(LARGE.values()):,} ids in {len(LARGE)} fields, d = 32")
        beside_peers(names, LARGE, 32, 30, 4, {name: {"dropout": 0.0} for name in PEERS}, l2=l2)
    if given.part in (None, "growth"):
        print("\ngrowth: our step at the ids of `large`, and at ten times as many")
        growth([name for name in names if name in ("deepfm", "dcn")], steps=60)


if __name__ == "__main__":
    main()
