"""What a run will cost, without training: the model is built without weights and one batch is counted."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from ctrbench.bench.build import build
from ctrbench.bench.cost import count_parameters
from ctrbench.data.split import SPLITS, Split
from ctrbench.errors import CtrbenchError, HubError
from ctrbench.features.loader import Rows, batches
from ctrbench.features.order import eval_order
from ctrbench.models.contract import CTRModel
from ctrbench.training.config import TrainConfig
from ctrbench.training.optim import build_optimizers

if TYPE_CHECKING:
    import polars as pl

    from ctrbench.bench.plan import PlannedRun
    from ctrbench.bench.spec import RunSpec
    from ctrbench.data.store import PreparedDataset

_log = logging.getLogger(__name__)
_SAMPLE, _BATCH = 256, 32  # rows whose cost stands for all rows'
_UTILISATION = 0.5  # share of a plain matrix product's speed that training reaches
_ROWS_PER_S = 20_000  # per-row work that is no matrix product: look-ups, sparse updates


@dataclass(frozen=True)
class Estimate:
    """Rough figures of one run, for all its epochs; None is unknown.

    `flops` counts forward and backward passes of training and the forward passes of validation and test;
    `memory_bytes` is for weights, gradients and Adam's state; activations come on top; `seconds` are on this machine.
    """

    parameters: int | None = None
    parameters_trained: int | None = None
    steps: int | None = None
    flops: float | None = None
    memory_bytes: int | None = None
    seconds: float | None = None
    download_bytes: int | None = None


def estimate(planned: PlannedRun, data: PreparedDataset) -> Estimate:
    """The cost of `planned` at its largest number of epochs; what a missing backbone hides stays None.

    Raises `ConfigError` where a setting does not fit the model or the data.
    """
    spec = planned.spec
    train = TrainConfig.model_validate(spec.train)
    counts = {split: data.count(split, spec.domains, spec.limit) for split in SPLITS}
    steps = train.epochs * -(-counts["train"] // train.batch_size)
    try:
        with torch.device("meta"):
            model, featurizer = build(spec, data, spec.limit)
            build_optimizers(model.parameter_groups(), train)
        sample = Rows.build(_sample(data, spec), data.items, featurizer, spec.domains)
    except HubError as error:  # whoever plans may be offline
        _log.warning("no estimate for %s: %s", spec.model, error)
        return Estimate(steps=steps)
    except CtrbenchError:
        raise
    except Exception as error:
        _log.info("no estimate for %s: %s", spec.model, error)
        return Estimate(steps=steps)
    parameters, trained = count_parameters(model)
    flops = _total_flops(_flops_per_row(model, sample), trained / max(parameters, 1), counts, train.epochs)
    return Estimate(
        parameters=parameters,
        parameters_trained=trained,
        steps=steps,
        flops=flops,
        memory_bytes=4 * parameters + 12 * trained,
        seconds=None if flops is None else _seconds(flops, counts, train.epochs),
        download_bytes=_download(model, parameters),
    )


def _sample(data: PreparedDataset, spec: RunSpec) -> pl.DataFrame:
    """The latest train rows of each domain, which are those with the longest histories."""
    most = max(_SAMPLE // len(spec.domains), 1)
    return data.rows("train", spec.domains, most if spec.limit is None else min(most, spec.limit))


def _flops_per_row(model: CTRModel, sample: Rows) -> float | None:
    """Of one forward pass, on tensors without data; None where a model cannot run on such, or has no rows."""
    total = 0
    # Tensors that are known to be fake, so that no library looks at their values.
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    try:
        for batch in batches(sample, eval_order(sample, _BATCH)):  # rows of one length together, as in training
            empty = batch.to(torch.device("meta")).map(fake.from_tensor)
            with torch.no_grad(), fake, FlopCounterMode(display=False) as counter:
                model.loss(empty)
            total += counter.get_total_flops()
    except Exception as error:
        _log.info("no FLOPs for %s: %s", type(model).__name__, error)
        return None
    return total / len(sample) if len(sample) else None


def _total_flops(per_row: float | None, trained_share: float, rows: Mapping[Split, int], epochs: int) -> float | None:
    """A backward pass costs one forward pass for activations, and another for the trained weights' gradients."""
    if per_row is None:
        return None
    training = per_row * (2 + trained_share) * rows["train"] * epochs
    scoring = per_row * (rows["valid"] * (epochs + 1) + rows["test"])
    return training + scoring


def _seconds(flops: float, rows: Mapping[Split, int], epochs: int) -> float:
    return flops / (_matmul_speed() * _UTILISATION) + rows["train"] * epochs / _ROWS_PER_S


@cache
def _matmul_speed() -> float:
    """FLOP/s of a single-precision matrix product on this machine: the best of some, for others may be at work."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    matrix = torch.ones(1024, 1024, device=device)
    times = []
    for _ in range(10):
        start = time.perf_counter()
        float((matrix @ matrix)[0, 0])
        times.append(time.perf_counter() - start)
    return 2 * 1024**3 / min(times)


def _download(model: CTRModel, parameters: int) -> int | None:
    """Bytes still to be fetched from a model hub: none for a model without a backbone, or with one that is here."""
    name = getattr(model.config, "backbone", None)
    if name is None:
        return 0
    from ctrbench.backbones.files import resolve_backbone

    files = resolve_backbone(name)
    if files.random or Path(files.path).is_dir():
        return 0
    from huggingface_hub import try_to_load_from_cache

    cached = [try_to_load_from_cache(files.path, name) for name in ("model.safetensors", "pytorch_model.bin")]
    return 0 if any(isinstance(path, str) for path in cached) else 4 * parameters
