"""From a run's specification to its model and featurizer; and whether its settings fit, before anything is spent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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


def build(
    spec: RunSpec, data: PreparedDataset, limit: int | None, state: Mapping[str, Any] | None = None
) -> tuple[CTRModel, Featurizer]:
    """A new model, its weights drawn from the run's seed, and a featurizer fitted on train rows.

    `limit`: how many of each domain, the latest ones; None for all. `state`: what a featurizer learned from them
    before, so that they need not be read again. The global random state stays as it is.

    Of a run that adds domains to a base, model and featurizer are the base's, all of whose weights are new, too.
    """
    if spec.base is not None:
        model, featurizer = build(spec.base, data, limit, state)
        add_domains(model, spec)
        return model, featurizer
    kind: type[CTRModel] = registry.load("models", spec.model)
    config = kind.Config.model_validate(spec.config)
    rows = data.scan("train", spec.domains, limit if state is None else 1)
    with data.reading():
        featurizer = kind.featurizer(config).fit(rows, data.items, data.manifest)
    if state is not None:
        featurizer = featurizer.load_state(state)
    with torch.random.fork_rng():
        torch.manual_seed(spec.seed)
        return kind(config, featurizer.info, spec.domains), featurizer


def add_domains(model: CTRModel, spec: RunSpec) -> None:
    """Give `model` networks for the run's domains, their weights drawn from its seed; all else is frozen."""
    with torch.random.fork_rng():
        torch.manual_seed(spec.seed)
        new = [parameter for domain in spec.domains for parameter in model.add_domain(domain)]
    for parameter in new:  # each domain froze those before it
        parameter.requires_grad_(True)
    model.train(model.training)


def train_config(spec: RunSpec, model: CTRModel) -> TrainConfig:
    """How a run is trained. Of a base's parameter groups, those that are frozen now have no rate."""
    config = TrainConfig.model_validate(spec.train)
    if spec.base is None:
        return config
    groups = model.parameter_groups()
    return config.model_copy(update={"lr_groups": {n: rate for n, rate in config.lr_groups.items() if n in groups}})


def check(spec: RunSpec, data: PreparedDataset) -> None:
    """Raise a `CtrbenchError` where a setting does not fit the model or data, or a backbone cannot be found.

    The model is built without weights, from one row per domain. What else goes wrong then is left to the run itself,
    which records it.
    """
    try:
        with torch.device("meta"):
            model, _ = build(spec, data, limit=1)
            build_optimizers(model.parameter_groups(), train_config(spec, model))
    except CtrbenchError:
        raise
    except Exception as error:
        _log.info("%s cannot be checked without training: %s", spec.model, error)
