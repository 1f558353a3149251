"""Rows of a table whose model's plugin cannot be used at all; the others go on without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ctrbench import registry
from ctrbench.bench.taken import check_model
from ctrbench.errors import PluginError

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
                plugin = registry.find("models", name)
                check_model(plugin, plugin.load())
            except PluginError as fault:
                found[row] = f"row {row!r} is left out: {fault}"
    return found
