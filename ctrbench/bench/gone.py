"""Models that no installed package brings, or brings no more, though runs are stored. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ctrbench import registry
from ctrbench.bench import records
from ctrbench.bench.folders import slug
from ctrbench.bench.records import Unusable
from ctrbench.bench.spec import TableSpec
from ctrbench.spelling import suggest


def gone(table: TableSpec, rows: Sequence[str], results: Path) -> dict[str, str]:
    """Of these rows those whose model is gone, each with the sentence that says so and who brought it."""
    return {
        row: f"the model {table.model_of(row)!r} is not installed, so its row is left out; its stored runs are of "
        f"{whose}: install that to see them"
        for row, whose in _lost(table, rows, results).items()
    }


def unknown(table: TableSpec, rows: Sequence[str]) -> dict[str, str]:
    """Of these rows those whose model nobody brings, each with the sentence that says so and the nearest names."""
    return {
        row: f"row {row!r} of {table.file.name} is left out: unknown model {model!r}."
        f"{suggest(model, registry.names('models'))}"
        for row, model in _missing(table, rows).items()
    }


def stored_of(table: TableSpec, rows: Sequence[str], results: Path) -> list[str]:
    """A sentence for each of these models that is gone: who brought it, as far as stored runs tell."""
    found = {table.model_of(row): whose for row, whose in _lost(table, rows, results).items()}
    return [f"Stored runs of {model!r} are of {whose}: install that to run it." for model, whose in found.items()]


def _lost(table: TableSpec, rows: Sequence[str], results: Path) -> dict[str, str]:
    """Whose the rows were of which the model is gone, where runs of it are stored."""
    origins = {row: _origins(results, model) for row, model in _missing(table, rows).items()}
    return {row: " and ".join(sorted(found)) for row, found in origins.items() if found}


def _missing(table: TableSpec, rows: Sequence[str]) -> dict[str, str]:
    """The models that nobody brings, by row."""
    installed = set(registry.names("models"))
    return {row: model for row in rows if (model := table.model_of(row)) not in installed}


def _origins(results: Path, model: str) -> set[str]:
    """Distribution and version of each stored run's plugin."""
    found = set()
    for file in results.glob(f"*/{slug(model)}/*/record.json"):
        with suppress(Unusable):
            record = records.read(file)
            if record is not None and record.spec.model == model and (plugin := record.provenance.get("plugin")):
                found.add(f"{plugin.get('distribution')} {plugin.get('version', '')}".strip())
    return found
