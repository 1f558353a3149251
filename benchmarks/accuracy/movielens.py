"""Every ID model on MovieLens-100K, the single-domain ones beside deepctr-torch's own model and `fit`.

    python benchmarks/accuracy/movielens.py --root ml-100k [--models pnn,dcn] [--seeds 3]

Protocol: a rating above 3 is positive; rows are split 80/10/10 at random, per seed; embeddings of 16, batches of 2048,
Adam at 1e-3, at most 50 epochs, the epoch of the best validation AUC with a patience of 3; test AUC over all test rows.
Single-domain models see the fields that both sides can read, train jointly on all rows, and stand beside their peer on
the same rows with the same sizes. DIEN and its peer get the history, too. Multi-domain models see every field and learn
three domains, age groups. The peer's epoch is chosen as ours is.

Each line is mean and standard deviation over seeds, and for a pair the mean difference on the same split.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ctrbench import registry
from ctrbench.benchmarks.peers import BATCH, PEERS, Arrays, alike, build_peer, fit_peer, id_models, machine
from ctrbench.data.options import PrepareOptions
from ctrbench.data.prepare import prepare
from ctrbench.data.store import PreparedDataset
from ctrbench.evaluation.metrics import auc
from ctrbench.evaluation.score import score
from ctrbench.features.loader import Rows
from ctrbench.training.config import TrainConfig
from ctrbench.training.fit import fit

FIELDS = ("user", "item", "age", "gender", "occupation", "zip", "genre")
"""What a peer can read, too: ids only."""
DIM = 16
MULTI = {"tower_hidden": (64,)}
SIZES: Mapping[str, Mapping[str, Any]] = {
    "xdeepfm": {"cin": (32, 32)},  # the peer trains on 3,000 rows/s with its default maps
    "shared_bottom": {"bottom_hidden": (256, 128), **MULTI},
    "mmoe": {"expert_hidden": (256, 128), **MULTI},
    "ple": {"expert_hidden": (256, 128), **MULTI},
    "star": {"hidden": (256, 128, 64), "auxiliary_hidden": (256, 128, 64)},
    "sar_net": {"expert_hidden": (256, 128), "hidden": (64,)},
    "dffm": {"hidden": (256, 128, 64), "final_hidden": (64,)},
}
"""Differences from a model's own sizes, which are the Uni-CTR paper's: those of its multi-domain models are wide."""
TRAIN = TrainConfig(epochs=50, patience=3, batch_size=BATCH, lr=1e-3)
SPLITS = ("train", "valid", "test")


def datasets(root: Path, folder: Path, seeds: Sequence[int]) -> Iterator[tuple[int, PreparedDataset]]:
    """MovieLens by age group, split at random by each seed."""
    source = registry.load("datasets", "movielens")()
    for seed in seeds:
        options = PrepareOptions(split="random", split_seed=seed)
        yield seed, prepare(source, root, folder / str(seed), options, source_name="movielens")


def view(data: PreparedDataset, kind: Any, config: Any, fields: Sequence[str] | None) -> tuple[dict[str, Rows], Any]:
    """Each split as the model sees it, with the given fields only, if any."""
    chosen = [field for field in data.manifest.fields if fields is None or field.name in fields]
    manifest = data.manifest.model_copy(update={"fields": chosen})
    featurizer = kind.featurizer(config).fit(data.scan("train"), data.items, manifest)
    rows = {split: Rows.build(data.rows(split), data.items, featurizer, data.domains) for split in SPLITS}
    return rows, featurizer.info


def as_one_domain(rows: Rows) -> Rows:
    """The same rows without domains, so that AUC is over all of them."""
    return replace(rows, domain=torch.zeros_like(rows.domain), domains=("all",))


def ours(kind: Any, config: Any, rows: dict[str, Rows], info: Any, train: TrainConfig, seed: int) -> float:
    """Test AUC over all rows of our model, trained by our `fit`."""
    torch.manual_seed(seed)
    model = kind(config, info, rows["train"].domains)
    fit(model, rows["train"], rows["valid"], train, seed=seed)
    scored = score(model, rows["test"])
    return auc(scored["label"].to_numpy(), scored["own"].to_numpy())


def theirs(name: str, config: Any, arrays: dict[str, Arrays], seed: int) -> float:
    """Test AUC of the peer, trained by its own `fit`, at the epoch that was best on validation."""

    def auc_of(split: str) -> float:
        return auc(arrays[split].label, model.predict(arrays[split].of_model(model), 4096)[:, 0])

    model = build_peer(name, config, arrays["train"], seed)
    best, waited, weights = 0.0, 0, model.state_dict()
    for _ in range(TRAIN.epochs):
        fit_peer(model, arrays["train"], TRAIN.batch_size)
        now = auc_of("valid")
        if now > best:
            best, waited = now, 0
            weights = {key: value.clone() for key, value in model.state_dict().items()}
        elif (waited := waited + 1) >= TRAIN.patience:
            break
    model.load_state_dict(weights)
    return auc_of("test")


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation."""
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values) if len(values) > 1 else 0:.4f}"


def measure(
    name: str, prepared: Sequence[tuple[int, PreparedDataset]], train: TrainConfig, *, alone: bool
) -> dict[str, list[float]]:
    """Test AUCs of our model and, where there is one and unless `alone`, of its peer; one for each seed."""
    kind = registry.load("models", name)
    config = kind.Config(**alike(name, DIM), **SIZES.get(name, {}))
    found: dict[str, list[float]] = {"ours": [], "peer": []}
    single = kind.category == "single_domain"
    fields = (*FIELDS, "history") if kind.needs_history else FIELDS
    for seed, data in prepared:
        rows, info = view(data, kind, config, fields if single else None)
        if single:
            rows = {split: as_one_domain(part) for split, part in rows.items()}
        found["ours"].append(ours(kind, config, rows, info, train, seed))
        if single and name in PEERS and not alone:
            arrays = {split: Arrays.of(part, info) for split, part in rows.items()}
            found["peer"].append(theirs(name, config, arrays, seed))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of MovieLens-100K")
    parser.add_argument("--models", help="comma-separated; default: every ID model")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--embeddings", choices=("sparse", "dense"), default="sparse", help="gradients of our tables")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    given = parser.parse_args()
    models = id_models(given.models)
    train = TRAIN.model_copy(update={"embeddings": given.embeddings})
    with tempfile.TemporaryDirectory() as folder:
        prepared = list(datasets(given.root, Path(folder), range(given.seeds)))
        print(
            f"{machine()}\nMovieLens-100K, {given.seeds} seeds, our tables with {given.embeddings} gradients; test AUC"
        )
        print(f"{'model':<14} {'ours':>17} {'deepctr-torch':>17} {'difference':>18} {'minutes':>8}", flush=True)
        for name in models:
            start = time.perf_counter()
            found = measure(name, prepared, train, alone=given.alone)
            pairs = [mine - other for mine, other in zip(found["ours"], found["peer"], strict=False)]
            peer, difference = (spread(found["peer"]), spread(pairs)) if pairs else ("-", "-")
            minutes = (time.perf_counter() - start) / 60
            print(f"{name:<14} {spread(found['ours']):>17} {peer:>17} {difference:>18} {minutes:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
