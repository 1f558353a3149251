"""From a run's specification to its model and featurizer; and whether its settings fit, before anything is spent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

from ctrbench import registry
from ctrbench.errors import CtrbenchError
from ctrbench.models.contract import CTRModel
from ctrbench.training.config import TrainConfig
from ctrbench.training.optim import build_optimizers

_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from ctrbench.bench.spec import RunSpec
    from ctrbench.data.store import PreparedDataset
    from ctrbench.features.featurizer import Featurizer


def build(spec: RunSpec, data: PreparedDataset, limit: int | None) -> tuple[CTRModel, Featurizer]:
    """A new model, its weights drawn from the run's seed, and a featurizer fitted on train rows.

    `limit`: how many of each domain, the latest ones; None for all. The global random state stays as it is.
    """
    kind: type[CTRModel] = registry.load("models", spec.model)
    config = kind.Config.model_validate(spec.config)
    featurizer = kind.featurizer(config)
    with data.reading():
        featurizer = featurizer.fit(data.scan("train", spec.domains, limit), data.items, data.manifest)
    with torch.random.fork_rng():
        torch.manual_seed(spec.seed)
        return kind(config, featurizer.info, spec.domains), featurizer


def check(spec: RunSpec, data: PreparedDataset) -> None:
    """Raise a `CtrbenchError` where a setting does not fit the model or data, or a backbone cannot be found.

    The model is built without weights, from one row per domain. What else goes wrong then is left to the run itself,
    which records it.
    """
    try:
        with torch.device("meta"):
            model, _ = build(spec, data, limit=1)
            build_optimizers(model.parameter_groups(), TrainConfig.model_validate(spec.train))
    except CtrbenchError:
        raise
    except Exception as error:
        _log.info("%s cannot be checked without training: %s", spec.model, error)
