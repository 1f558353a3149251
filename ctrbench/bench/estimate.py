"""What a run will cost, without training: the model is built without weights and one batch is counted."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from ctrbench.backbones.known import architecture_suffices
from ctrbench.bench.build import build, train_config
from ctrbench.bench.cost import count_parameters
from ctrbench.bench.size import parameters
from ctrbench.data.split import SPLITS, Split
from ctrbench.errors import CtrbenchError, HubError, PluginError, in_words
from ctrbench.features.loader import Rows, batches
from ctrbench.features.order import eval_order
from ctrbench.models.contract import CTRModel
from ctrbench.training.config import TrainConfig
from ctrbench.training.optim import build_optimizers

if TYPE_CHECKING:
    import polars as pl

    from ctrbench.backbones.files import BackboneFiles
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
    `unknown` says why figures are None. `assumed` is a backbone whose files are not here, so that each byte of a prompt
    counts as a token: the most there can be.
    """

    parameters: int | None = None
    parameters_trained: int | None = None
    steps: int | None = None
    flops: float | None = None
    memory_bytes: int | None = None
    seconds: float | None = None
    download_bytes: int | None = None
    assumed: str | None = None
    unknown: str = ""


def estimate(planned: PlannedRun, data: PreparedDataset) -> Estimate:
    """The cost of `planned` at its largest number of epochs; what an unknown backbone hides stays None.

    Nothing is fetched: of backbones with a known architecture, that is enough. Where `data` is a stand-in, ids are as
    many as published.

    Raises `ConfigError` where a setting does not fit the model or the data.
    """
    spec = planned.spec
    train = TrainConfig.model_validate(spec.train)
    counts = {split: data.count(split, spec.domains, spec.limit) for split in SPLITS}
    steps = train.epochs * -(-counts["train"] // train.batch_size)
    try:
        with torch.device("meta"), architecture_suffices():
            model, featurizer = build(spec, data, spec.limit)
            build_optimizers(model.parameter_groups(), train_config(spec, model))
        backbone = _backbone(model)
        assumed = backbone.name if backbone is not None and not backbone.here else None
        # Where the tokens of a prompt are but bounded, there is nothing to be had from many prompts.
        rows = _sample(data, spec, _SAMPLE if assumed is None else _BATCH)
        sample = Rows.build(rows, data.items, featurizer, spec.domains)
    except (HubError, PluginError) as error:  # whoever plans may be offline; what is a plugin's fault hides no others
        _log.warning("no estimate for %s: %s", spec.model, error)
        return Estimate(steps=steps)
    except CtrbenchError:
        raise
    except Exception as error:
        return Estimate(steps=steps, unknown=f"it cannot be built without weights ({in_words(error)})")
    every, trained = parameters(model, featurizer.info, data, spec)
    stored = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    stored += 4 * (every - count_parameters(model)[0])
    share = trained / max(every, 1)
    backward = 2 * share if spec.base is not None else 1 + share
    per_row, unknown = _flops_per_row(model, sample)
    flops = _total_flops(per_row, backward, counts, train.epochs)
    return Estimate(
        parameters=every,
        parameters_trained=trained,
        steps=steps,
        flops=flops,
        memory_bytes=stored + 12 * trained,
        seconds=None if flops is None else _seconds(flops, counts, train.epochs),
        download_bytes=0 if assumed is None else 4 * _size_of_backbone(model),
        assumed=assumed,
        unknown=unknown,
    )


def _sample(data: PreparedDataset, spec: RunSpec, size: int) -> pl.DataFrame:
    """The latest train rows of each domain, which are those with the longest histories."""
    most = max(size // len(spec.domains), 1)
    return data.rows("train", spec.domains, most if spec.limit is None else min(most, spec.limit))


def _flops_per_row(model: CTRModel, sample: Rows) -> tuple[float | None, str]:
    """Of one forward pass, on tensors without data; None, and why, where a model cannot run on such, or has no rows."""
    if not len(sample):
        return None, "there are no train rows"
    total = 0
    model.requires_grad_(False)  # else torch's counter stumbles over outputs that are views of weights
    # Tensors that are known to be fake, so that no library looks at their values.
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    try:
        for batch in batches(sample, eval_order(sample, _BATCH)):  # rows of one length together, as in training
            empty = batch.to(torch.device("meta")).map(fake.from_tensor)
            with torch.no_grad(), fake, FlopCounterMode(display=False) as counter:
                model.loss(empty)
            total += counter.get_total_flops()
    except Exception as error:
        return None, f"it does not run on tensors without data ({in_words(error)})"
    return total / len(sample), ""


def _total_flops(per_row: float | None, backward: float, rows: Mapping[Split, int], epochs: int) -> float | None:
    """`backward`: of a backward pass, in forward passes: one for activations, and another for the trained weights.

    Below networks that are added to a frozen base there is nothing to train, so their activations alone count.
    """
    if per_row is None:
        return None
    training = per_row * (1 + backward) * rows["train"] * epochs
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


def _backbone(model: CTRModel) -> BackboneFiles | None:
    """Where the model's backbone comes from, if it has one."""
    name = getattr(model.config, "backbone", None)
    if name is None:
        return None
    from ctrbench.backbones.files import resolve_backbone

    return resolve_backbone(name)


def _size_of_backbone(model: CTRModel) -> int:
    """Parameters of the backbone alone."""
    from ctrbench.backbones.load import empty_encoder

    with architecture_suffices():
        return count_parameters(empty_encoder(model.config.backbone))[0]
