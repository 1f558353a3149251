"""Whether a model keeps its promises on a few rows, found before a training spends time on it.

What a few rows of an untrained model cannot show, the tests that plugin authors run do (`ctrbench.testing`).
"""

from __future__ import annotations

import copy
import logging

import torch

from ctrbench.conduct.blame import Suspect, blaming
from ctrbench.conduct.state import kept
from ctrbench.evaluation.promises import Promises
from ctrbench.features.batch import Batch
from ctrbench.features.loader import Rows
from ctrbench.models.contract import CTRModel
from ctrbench.training.checkpoint import random_state, set_random_state

_LOOKED_AT = 64
"""Rows among which those of several domains are looked for."""
_DOMAINS, _PER_DOMAIN = 3, 2
_log = logging.getLogger(__name__)


def probe(model: CTRModel, rows: Rows, suspect: Suspect, precision: str = "fp32") -> None:
    """Raise `PluginError`, naming the plugin, where `model` breaks a promise on a few of `rows`.

    Works on a twin that shares the model's weights and nothing else, and makes no gradient of large tables: the cost is
    that of some passes of six rows. The model, the rows and all random states are left as they were.
    """
    for name, feature in rows.features.items():
        if len(feature) != len(rows):
            raise suspect.did(f"has a featurizer that made {len(feature):,} entries {name!r} of {len(rows):,} rows")
    twin, device = _twin(model), next(model.parameters()).device
    if twin is None or not len(rows):
        return
    before = random_state(device)
    try:
        with kept():
            with blaming(suspect, "in its featurizer"):
                batch = _few(rows).to(device)
            promises = Promises(twin, batch, suspect, precision)
            promises.of_scores()
            promises.of_losses()
    finally:
        set_random_state(before, device)


def _twin(model: CTRModel) -> CTRModel | None:
    """The same model with buffers and attributes of its own; None where its attributes cannot be copied."""
    shared = {id(weight): weight for weight in model.parameters()}
    try:
        return copy.deepcopy(model, shared)
    except Exception as fault:
        _log.debug("%s is not probed: it cannot be copied (%s)", type(model).__name__, fault)
        return None


def _few(rows: Rows) -> Batch:
    """Some rows of some domains, found without a look at all rows."""
    places = torch.linspace(0, len(rows) - 1, min(_LOOKED_AT, len(rows)), dtype=torch.float64).long()
    domains = rows.domain_of(places)
    chosen = [places[domains == domain][:_PER_DOMAIN] for domain in domains.unique()[:_DOMAINS]]
    return rows.batch(torch.cat(chosen).sort().values)
