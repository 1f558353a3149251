"""Whether the rows that a table names are there, found before any data is touched. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Sequence

from ctrbench import registry
from ctrbench.bench.spec import TableSpec
from ctrbench.errors import ConfigError, PluginError
from ctrbench.spelling import suggest


def check_rows(table: TableSpec, profile: str, asked: Sequence[str] | None) -> None:
    """Raise a `CtrbenchError` that says where a model is named which is not there, or not whole.

    `asked`: rows of the table, or registered models, in place of the table's own rows.
    """
    file = table.file.name
    known = {*table.models, *table.variants, *(plugin.name for plugin in registry.plugins("models"))}
    for row in asked or ():
        if row not in known:
            raise ConfigError(f"--models: unknown model {row!r}.{suggest(row, known)}")
    for row in asked or table.profile(profile).models or table.models:
        try:
            registry.find("models", table.model_of(row))
        except PluginError as error:
            raise PluginError(f"{file}, row {row!r}: {error}") from None
    if table.reference and table.reference not in known:
        raise ConfigError(f"{file}: unknown reference {table.reference!r}.{suggest(table.reference, known)}")
