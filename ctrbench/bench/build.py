"""From a run's specification to its model and featurizer; and whether its settings fit, before anything is spent."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from ctrbench import registry
from ctrbench.conduct.blame import Suspect, blaming
from ctrbench.conduct.state import RANDOM, kept
from ctrbench.errors import CtrbenchError, PluginError
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
    suspect = Suspect("models", spec.model)
    kind: type[CTRModel] = registry.load("models", spec.model)
    config = kind.Config.model_validate(spec.config)
    rows = data.scan("train", spec.domains, limit if state is None else 1)
    with data.reading(), blaming(suspect, "to fit its featurizer"), _unseeded(suspect, "fits its featurizer"):
        featurizer = kind.featurizer(config).fit(rows, data.items, data.manifest)
        if state is not None:
            featurizer = featurizer.load_state(state)
        info = featurizer.info
    with torch.random.fork_rng(), blaming(suspect, "in its constructor"):
        torch.manual_seed(spec.seed)
        with _unseeded(suspect, "is built", drawing=True):
            model = kind(config, info, spec.domains)
        if not isinstance(model, CTRModel):
            raise suspect.did(f"is no CTRModel, but a {type(model).__name__}")
    return model, featurizer


@contextmanager
def _unseeded(suspect: Suspect, doing: str, *, drawing: bool = False) -> Iterator[None]:
    """Within, a plugin is not to touch global random states, but that it may draw torch's numbers where `drawing`.

    Python's own generator is put back in silence: what fetches files from the web draws pauses from it.
    """
    seed = torch.initial_seed()
    with kept() as changed:
        yield
        seeded = torch.initial_seed() != seed
    told = [RANDOM[2]] if seeded else []
    told += [name for name in RANDOM[1:] if name in changed and not (drawing and name == RANDOM[2])]
    if told:
        raise suspect.did(f"{'seeds' if seeded else 'changes'} {told[0]} when it {doing}, which all runs share")


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

    The model is built without weights, from one row per domain. What else goes wrong then, as by a plugin's fault, is
    left to the run itself, which records it, and the other runs go on.
    """
    try:
        with torch.device("meta"):
            model, _ = build(spec, data, limit=1)
            build_optimizers(model.parameter_groups(), train_config(spec, model))
    except CtrbenchError as error:
        if not isinstance(error, PluginError):
            raise
        _log.info("%s; its run will say so", error)
    except Exception as error:
        _log.info("%s cannot be checked without training: %s", spec.model, error)
