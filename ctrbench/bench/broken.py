"""Rows of a table whose model's plugin cannot be used at all; the others go on without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ctrbench import registry
from ctrbench.bench.facts import check_contract
from ctrbench.bench.settings import resolve
from ctrbench.conduct.blame import Suspect, blaming
from ctrbench.errors import ConfigError, PluginError
from ctrbench.training.config import TrainConfig

if TYPE_CHECKING:
    from ctrbench.bench.spec import TableSpec


def broken(table: TableSpec, rows: Sequence[str]) -> dict[str, str]:
    """Of these rows those whose plugin shares its name, cannot be imported, or is no model; each with the sentence.

    A name that nobody has is no plugin's fault, and not looked at here.
    """
    installed, found = set(registry.names("models")), {}
    for row in rows:
        if (name := table.model_of(row)) in installed:
            try:
                _check(name)
            except PluginError as fault:
                found[row] = f"row {row!r} is left out: {fault}"
    return found


def _check(name: str) -> None:
    plugin, suspect = registry.find("models", name), Suspect("models", name)
    model = plugin.load()
    with blaming(suspect, "when its class was looked at"):
        check_contract(plugin, model)
        defaults = dict(model.train_defaults)
    try:
        resolve(TrainConfig, [("its train_defaults", defaults)])
    except ConfigError as fault:
        raise suspect.did(f"has settings that do not fit: {fault}") from fault
