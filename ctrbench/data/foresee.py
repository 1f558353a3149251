"""Which source knows a file, and what preparing it would give, before anything is written."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from ctrbench import registry
from ctrbench.data.problems import Problem
from ctrbench.data.split import SPLITS
from ctrbench.errors import ConfigError, DataError, PluginError

if TYPE_CHECKING:
    from ctrbench.data.inspection import Inspection
    from ctrbench.data.options import PrepareOptions
    from ctrbench.data.store import PreparedDataset


class _Found(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DomainOutlook(_Found):
    """One domain as it would be prepared: rows per split, the share of positive labels, first and last day."""

    domain: str
    rows: dict[str, int]
    label_rate: float
    first: str
    last: str


class Outlook(_Found):
    """What preparing would give: the domains, and every kind of row that would be left out or changed."""

    domains: tuple[DomainOutlook, ...]
    problems: tuple[Problem, ...]


def inspect(file: Path, beside: Path | None = None) -> tuple[str, Inspection]:
    """The name of the registered source that knows such a file, and what it makes of it.

    beside: the folder for what it may propose to write, by default the file's own. Raises `DataError` where the
    file is absent, and `ConfigError` where no source knows what it is.
    """
    from ctrbench.data.taken import source_class

    if not file.exists():
        raise DataError(f"{file} is not there: name a table, or the TOML that describes your tables")
    names = registry.names("datasets")
    for name in names:
        try:
            kind = source_class(name)
        except PluginError:  # it is `ctrbench list` that tells of it
            continue
        found = kind.inspect(file, file.parent if beside is None else beside)
        if found is not None:
            return name, found
    raise ConfigError(
        f"{file} is nothing that a dataset plugin ({', '.join(names)}) can check: name a table or its TOML"
    )


def foresee(source: str, root: Path, options: PrepareOptions | None = None) -> Outlook:
    """Prepare in a temporary folder, and say what came of it. Raises what `prepare` does."""
    from ctrbench.data.prepare import prepare
    from ctrbench.data.resolve import load_source

    with tempfile.TemporaryDirectory(prefix="ctrbench-check-") as folder:
        data = prepare(load_source(source), root, Path(folder) / "prepared", options, source_name=source)
        return Outlook(domains=tuple(_domains(data)), problems=tuple(data.manifest.problems))


def _domains(data: PreparedDataset) -> list[DomainOutlook]:
    import polars as pl

    from ctrbench.data.periods import moment

    first, last = (moment(time).dt.strftime("%Y-%m-%d") for time in (pl.col("time").min(), pl.col("time").max()))
    facts = {"label_rate": pl.col("label").mean(), "first": first, "last": last}
    rows = pl.concat([data.scan(split) for split in SPLITS])
    with data.reading():
        found = rows.group_by("domain").agg(**facts).collect(engine="streaming")
    by_name = {row["domain"]: row for row in found.iter_rows(named=True)}
    counts = {split: data.counts(split) for split in SPLITS}
    return [
        DomainOutlook(rows={split: counts[split][domain] for split in SPLITS}, **by_name[domain])
        for domain in data.domains
        if domain in by_name
    ]
