"""Whether a model keeps its promises on a few rows, found before a training spends time on it.

What a few rows of an untrained model cannot show, the tests that plugin authors run do (`ctrbench.testing`).
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Mapping
from functools import partial
from types import CellType, FunctionType
from weakref import ref

import torch

from ctrbench.conduct.blame import Suspect, blaming
from ctrbench.conduct.state import kept
from ctrbench.errors import out_of_memory
from ctrbench.evaluation.promises import Promises
from ctrbench.features.batch import Batch
from ctrbench.features.loader import Rows
from ctrbench.models.contract import CTRModel
from ctrbench.models.per_domain import PerDomain
from ctrbench.training.checkpoint import random_state, set_random_state

_LOOKED_AT = 64
"""Rows among which those of several domains are looked for."""
_DOMAINS, _PER_DOMAIN = 3, 2
_DEPTH, _MANY = 3, 1000
"""How deep, and in how large containers, functions that hold a model are looked for."""
_log = logging.getLogger(__name__)


def probe(model: CTRModel, rows: Rows, suspect: Suspect, precision: str = "fp32") -> None:
    """Raise `PluginError`, naming the plugin, where `model` breaks a promise on a few of `rows`.

    Works on a twin that shares the model's weights and nothing else, and makes no gradient of large tables: the cost is
    that of some passes of six rows. The model, the rows and all random states are left as they were. A model that has
    no such twin, or for which memory runs out, is left to its training.
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
    except Exception as error:
        if not out_of_memory(error):
            raise
        _log.debug("%s is not probed: %s", suspect, error)  # batches of its training may be smaller
    finally:
        set_random_state(before, device)


def _twin(model: CTRModel) -> CTRModel | None:
    """The same model with buffers and attributes of its own; None where its attributes cannot be copied."""
    shared = {id(weight): weight for weight in model.parameters()}
    if _is_held(model):
        _log.debug("%s is not probed: functions in it hold it, and would hold no copy", type(model).__name__)
        return None
    try:
        return copy.deepcopy(model, shared)
    except Exception as fault:
        _log.debug("%s is not probed: it cannot be copied (%s)", type(model).__name__, fault)
        return None


def _is_held(model: CTRModel) -> bool:
    """Whether functions among its attributes, such as hooks, hold a part of it: those of a copy hold the model's."""
    values = [
        value
        for module in model.modules()
        for name, value in vars(module).items()
        if not (name == "build" and isinstance(module, PerDomain))  # which `add_domain` alone calls
    ]
    parts = {id(value) for value in values if isinstance(value, list | dict | set)} | set(map(id, model.modules()))
    return any(_holds(value, parts) for value in values)


def _holds(value: object, parts: set[int], depth: int = _DEPTH) -> bool:
    """Whether a function or a weak reference in this value holds one of these objects."""
    inner: Iterable[object] = ()
    held: list[object] = []
    if isinstance(value, FunctionType):
        inner = held = [cell.cell_contents for cell in value.__closure__ or () if cell != CellType()]
    elif isinstance(value, ref):
        held = [value()]
    elif isinstance(value, partial):
        inner = [value.func]
    elif isinstance(value, Mapping | list | tuple) and len(value) <= _MANY:
        inner = value.values() if isinstance(value, Mapping) else value
    return any(id(one) in parts for one in held) or (depth > 0 and any(_holds(one, parts, depth - 1) for one in inner))


def _few(rows: Rows) -> Batch:
    """Some rows of some domains, found without a look at all rows."""
    places = torch.linspace(0, len(rows) - 1, min(_LOOKED_AT, len(rows)), dtype=torch.float64).long()
    domains = rows.domain_of(places)
    chosen = [places[domains == domain][:_PER_DOMAIN] for domain in domains.unique()[:_DOMAINS]]
    return rows.batch(torch.cat(chosen).sort().values)
