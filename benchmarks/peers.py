"""deepctr-torch's own models and training loop, with the settings and the rows of ours.

Shared by the benchmarks of accuracy and speed. Sizes, dropout and rate are alike. What stays the peer's own: L2 of
1e-5 on embeddings and linear terms (ours has none), initial weights of N(0, 1e-4), a loss summed over the batch; a
linear term in DCN and AutoInt; in FiBiNET one set of bilinear matrices for both kinds of embeddings, ours has two; in
DIEN an attention network, and negatives drawn once, ours draws anew in every step and reads the history's mean, too.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from platform import python_version
from typing import Any

import numpy as np
import torch

import ctrbench
from ctrbench import registry
from ctrbench.api import FeatureInfo, Ragged, deepctr_module
from ctrbench.features.loader import Rows

BATCH = 2048
Options = Mapping[str, Any]


def _deep(config: Any) -> Options:
    return {"dnn_hidden_units": config.hidden, "dnn_dropout": config.dropout}


def _towers(config: Any) -> Options:
    return {"tower_dnn_hidden_units": config.tower_hidden, "dnn_dropout": config.dropout}


def _experts(config: Any) -> Options:
    return {**_towers(config), "expert_dnn_hidden_units": config.expert_hidden, "gate_dnn_hidden_units": ()}


@dataclass(frozen=True)
class Peer:
    """Where deepctr-torch's model is, and its keyword arguments from our model's config."""

    module: str
    name: str
    options: Callable[[Any], Options]
    wide: bool = True
    """Whether it takes columns for a linear part, too."""


PEERS: Mapping[str, Peer] = {
    "pnn": Peer(
        "models.pnn",
        "PNN",
        lambda c: {**_deep(c), "use_inner": c.product != "outer", "use_outter": c.product != "inner"},
        wide=False,
    ),
    "dcn": Peer("models.dcn", "DCN", lambda c: {**_deep(c), "cross_num": c.cross_layers}),
    "deepfm": Peer("models.deepfm", "DeepFM", _deep),
    "xdeepfm": Peer(
        "models.xdeepfm",
        "xDeepFM",
        lambda c: {
            **_deep(c),
            "cin_layer_size": c.cin,
            "cin_split_half": c.cin_split,
            "cin_activation": "relu" if c.cin_activation == "relu" else "linear",
        },
    ),
    "dien": Peer(
        "models.dien",
        "DIEN",
        # its click loss is a sum over the batch, its auxiliary loss a mean
        lambda c: {**_deep(c), "use_negsampling": True, "gru_type": "AUGRU", "alpha": c.auxiliary_weight * BATCH},
        wide=False,
    ),
    "autoint": Peer(
        "models.autoint", "AutoInt", lambda c: {**_deep(c), "att_layer_num": c.layers, "att_head_num": c.heads}
    ),
    "fibinet": Peer(
        "models.fibinet",
        "FiBiNET",
        lambda c: {**_deep(c), "bilinear_type": c.bilinear, "reduction_ratio": c.reduction},
    ),
    "shared_bottom": Peer(
        "models.multitask.sharedbottom",
        "SharedBottom",
        lambda c: {**_towers(c), "bottom_dnn_hidden_units": c.bottom_hidden},
        wide=False,
    ),
    "mmoe": Peer("models.multitask.mmoe", "MMOE", lambda c: {**_experts(c), "num_experts": c.experts}, wide=False),
    "ple": Peer(
        "models.multitask.ple",
        "PLE",
        lambda c: {
            **_experts(c),
            "shared_expert_num": c.shared_experts,
            "specific_expert_num": c.domain_experts,
            "num_levels": c.levels,
        },
        wide=False,
    ),
}
"""Our models that deepctr-torch has, too."""

HISTORY = "history"


@dataclass(frozen=True)
class Arrays:
    """Rows as deepctr-torch takes them: one column of ids per field, counted from 0, and histories padded with 0."""

    x: Mapping[str, np.ndarray]
    label: np.ndarray
    sizes: Mapping[str, int]

    @classmethod
    def of(cls, rows: Rows, info: FeatureInfo) -> Arrays:
        """The ids (and the history) of `rows`."""
        starts = dict(zip(info.ids, (unseen - 1 for unseen in info.unseen), strict=True))
        ends = [*list(starts.values())[1:], info.vocabulary - 1]
        sizes = {name: end - start + 1 for (name, start), end in zip(starts.items(), ends, strict=True)}
        ids = rows.features["ids"]
        assert isinstance(ids, torch.Tensor)
        x = {name: (ids[:, place] - start).numpy() for place, (name, start) in enumerate(starts.items())}
        if HISTORY in rows.features:
            x |= _history(rows.features[HISTORY], starts["item"])
        return cls(x, rows.label.float().numpy(), sizes)

    def first(self, count: int) -> Arrays:
        """The first `count` rows."""
        return replace(self, x={name: column[:count] for name, column in self.x.items()}, label=self.label[:count])

    def of_model(self, model: Any) -> list[np.ndarray]:
        """What `model` reads, in its own order."""
        return [self.x[name] for name in model.feature_index]


def _history(history: Any, start: int) -> dict[str, np.ndarray]:
    assert isinstance(history, Ragged)
    ids, mask = history.take(torch.arange(len(history)))
    items = torch.where(mask, ids - start, 0)
    found = items[mask]  # a negative is an item of some history, as ours are
    negatives = torch.zeros_like(items).masked_scatter_(mask, found[torch.randperm(len(found))])
    lengths = mask.sum(1)
    return {"hist_item": items.numpy(), "neg_hist_item": negatives.numpy(), "seq_length": lengths.numpy()}


def alike(name: str, dim: int) -> dict[str, Any]:
    """Differences from our config for embeddings of `dim` and sizes that the peer can have, too."""
    heads = 2
    return {"embedding_dim": dim, **({"heads": heads, "head_dim": dim // heads} if name == "autoint" else {})}


_TOWERS = {"tower_hidden": (64,), "dropout": 0.0}
PEER_SIZES: Mapping[str, Mapping[str, Any]] = {
    "pnn": {"hidden": (128, 128), "dropout": 0.0},
    "dcn": {"hidden": (128, 128), "dropout": 0.0, "cross_layers": 2},
    "deepfm": {"hidden": (256, 128), "dropout": 0.0},
    "xdeepfm": {"hidden": (256, 256), "dropout": 0.0, "cin": (256, 128)},
    "dien": {"hidden": (256, 128), "dropout": 0.0},
    "autoint": {"hidden": (256, 128), "dropout": 0.0},
    "fibinet": {"hidden": (128, 128), "dropout": 0.0},
    "shared_bottom": {"bottom_hidden": (256, 128), **_TOWERS},
    "mmoe": {"expert_hidden": (256, 128), **_TOWERS},
    "ple": {"expert_hidden": (256, 128), "domain_experts": 1, "levels": 2, **_TOWERS},
}
"""deepctr-torch's default sizes and dropout, as our settings. xDeepFM's feature maps keep the original's options."""


def id_models(wanted: str | None = None) -> list[str]:
    """All registered models that are no language models, or those of a comma-separated list; unknown ones exit."""
    names = registry.names("models")
    known = [name for name in names if registry.load("models", name).category != "language_model"]
    chosen = wanted.split(",") if wanted else known
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise SystemExit(f"no ID model {unknown[0]!r}; there are {', '.join(known)}")
    return chosen


def machine() -> str:
    """What the numbers were measured with, in one line."""
    versions = f"ctrbench {ctrbench.__version__}, deepctr-torch {version('deepctr-torch')}, torch {torch.__version__}"
    return f"{date.today()}, {versions}, Python {python_version()}, {torch.get_num_threads()} CPU threads"


def build_peer(name: str, config: Any, arrays: Arrays, seed: int, tasks: int = 3, *, l2: bool = True) -> Any:
    """deepctr-torch's model with our settings, compiled with Adam at its own rate of 1e-3; on the CPU.

    Without `l2` its embeddings and linear terms have none.
    """
    peer, inputs = PEERS[name], deepctr_module("inputs")
    columns = [inputs.SparseFeat(n, size, embedding_dim=config.embedding_dim) for n, size in arrays.sizes.items()]
    options = {**peer.options(config), "seed": seed}
    if name == "dien":
        columns += [_sequence(inputs, n, config.embedding_dim, arrays) for n in ("hist_item", "neg_hist_item")]
        options["history_feature_list"] = ["item"]
    several = "multitask" in peer.module
    if several:
        options |= {"task_types": ("binary",) * tasks, "task_names": tuple(map(str, range(tasks)))}
    kind = getattr(deepctr_module(peer.module), peer.name)
    model = kind(*([columns] if peer.wide else []), columns, **options)
    if not l2:
        model.regularization_weight = []
    model.compile("adam", ["binary_crossentropy"] * tasks if several else "binary_crossentropy", metrics=[])
    return model


def _sequence(inputs: Any, name: str, dim: int, arrays: Arrays) -> Any:
    field = inputs.SparseFeat(name, arrays.sizes["item"], embedding_dim=dim, embedding_name="item")
    return inputs.VarLenSparseFeat(field, maxlen=arrays.x[name].shape[1], length_name="seq_length")


def fit_peer(model: Any, arrays: Arrays, batch_size: int, epochs: int = 1) -> None:
    """Its own `fit`, silently. A model of several tasks learns every row's label in every task: it knows no domains."""
    label = np.repeat(arrays.label[:, None], getattr(model, "num_tasks", 1), axis=1)  # (N, tasks)
    with contextlib.redirect_stdout(io.StringIO()):
        model.fit(arrays.of_model(model), label, batch_size=batch_size, epochs=epochs, verbose=0)
