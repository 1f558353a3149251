"""What a results folder holds for a run, and whether it can be believed. Nothing here imports torch."""

from __future__ import annotations

import json
import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path

from ctrbench import files
from ctrbench.bench import records
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.records import ADVICE, DatasetFacts, Growth, Record, Unusable
from ctrbench.bench.spec import RunSpec
from ctrbench.training.course import FitResult

_log = logging.getLogger(__name__)
COLUMNS = {"split", "domain", "head", "row_id", "label", "logit"}
"""What predictions have, at least."""


def look(results: Path, dataset: DatasetFacts, spec: RunSpec, *, say: bool = False) -> Record | None:
    """The record of a run, None where there is none.

    One that cannot be used is a failed one, whose error says why; so does a warning, if `say`.
    """
    try:
        return sound(RunFolder.of(results, dataset.name, spec))
    except Unusable as fault:
        if say:
            _log.warning("%s", fault)
        return Record(schema=records.SCHEMA, id=spec.id, status="failed", error=str(fault), spec=spec, dataset=dataset)


def fault(results: Path, dataset: DatasetFacts, spec: RunSpec) -> Unusable | None:
    """Why a record that is there cannot be used."""
    try:
        sound(RunFolder.of(results, dataset.name, spec))
    except Unusable as found:
        return found
    return None


def sound(folder: RunFolder) -> Record | None:
    """The record in a run's folder, after a look at whose it is, and at the end of its predictions; else `Unusable`.

    Their rows are not read: `ctrbench results verify` does that.
    """
    record = records.read(folder.record)
    if record is None:
        return None
    _check_identity(folder, record)
    _check_base(folder, record)
    if record.status == "done" and folder.predictions.exists():
        _check_predictions(folder.predictions, record)
    return record


def recover(folder: RunFolder) -> Record | None:
    """The same, where a spoilt record is set aside, and the run has none then; a warning says so.

    A run whose predictions are spoilt is as trained, and never scored; they stay until new ones take their place, for
    without them the record would be believed.
    """
    try:
        return sound(folder)
    except Unusable as fault:
        if not fault.spoilt:
            raise
        if fault.file == folder.record:
            kept = set_aside(fault.file)
            _log.warning("%s %s; it is kept as %s, and the run is done again", fault.file, fault.what, kept.name)
            return None
        _log.warning("%s %s; the run is scored again", fault.file, fault.what)
        record = records.read(folder.record)
        return record and record.model_copy(update={"metrics": {}})


def check_checkpoint(folder: RunFolder) -> None:
    """Set a checkpoint aside that nothing can be resumed from, with a warning: the training begins anew.

    One that is whole, and of another configuration, stays.
    """
    from safetensors import SafetensorError, safe_open

    file = folder.checkpoint
    if not file.exists():
        return
    try:
        with safe_open(file, framework="np") as tensors:  # which looks at all but the numbers
            state = json.loads((tensors.metadata() or {})["state"])
            FitResult.model_validate(state["result"])
            state["config"], state["optim"]
    except (SafetensorError, KeyError, TypeError, ValueError) as found:
        kept = set_aside(file)
        _log.warning(
            "%s is damaged (%s); it is kept as %s, and the training begins anew",
            *(file, " ".join(str(found).split())[:200], kept.name),
        )


def set_aside(file: Path, *, copy: bool = False) -> Path:
    """Rename (or copy) a file to one that nothing reads: `record.json.bad-1`."""
    number = 1
    while (kept := file.with_name(f"{file.name}.bad-{number}")).exists():
        number += 1
    try:
        return Path(shutil.copyfile(file, kept)) if copy else file.rename(kept)
    except OSError as fault:
        raise files.unwritable(kept, fault, ADVICE) from fault


def _check_identity(folder: RunFolder, record: Record) -> None:
    """A copied folder, or a record that was edited by hand, would be taken for another run."""
    own = record.spec.id
    if own != folder.path.name or own != record.id:
        raise Unusable(folder.record, f"is not of run {folder.path.name}: its settings are those of run {own}")
    if record.dataset.fingerprint != record.spec.dataset:
        raise Unusable(folder.record, "names another dataset than its settings do")


def _check_base(folder: RunFolder, record: Record) -> None:
    """A network that was trained on top of one base means nothing beside another; only a younger one is read."""
    if record.growth is None or record.spec.base is None:
        return
    base = folder.beside(record.spec.base)
    with suppress(OSError):  # without its base, a run still is what it was
        if base.model.stat().st_mtime > folder.record.stat().st_mtime and not built_on(base, record.growth):
            raise Unusable(folder.record, of_another_base(base))


def of_another_base(base: RunFolder) -> str:
    """What is to be said of a run whose base is not the one that it was grown from."""
    return f"was made on top of {base.path}, which was trained anew since"


def built_on(base: RunFolder, growth: Growth) -> bool:
    """Whether a base's model still is the one that was grown. Raises `OSError` where it cannot be read."""
    from ctrbench.data.fingerprint import file_hash

    return file_hash(base.model) == growth.base_file


def _check_predictions(file: Path, record: Record) -> None:
    import polars as pl

    from ctrbench.data.store import TRUE_PROBABILITY

    try:
        found = pl.scan_parquet(file)
        types = found.collect_schema()
        height = found.select(pl.len()).collect().item()
    except (OSError, pl.exceptions.PolarsError) as fault:
        first = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise Unusable(file, f"cannot be read ({first})", spoilt=os.access(file, os.R_OK)) from None
    if missing := COLUMNS - set(types.names()):
        raise Unusable(file, f"has no column {min(missing)!r}")
    for name in ("row_id", "label", "logit", TRUE_PROBABILITY):
        if name in types and not (types[name].is_numeric() or types[name] == pl.Null):
            raise Unusable(file, f"has {types[name]} values in its column {name!r}, and no numbers")
    if height < (expected := scored_rows(record)):
        raise Unusable(file, f"has {height:,} rows, and its record speaks of {expected:,}")


def scored_rows(record: Record) -> int:
    """How many rows its predictions have, at least. The oracle is scored from the data, not predicted."""
    heads = (heads for domains in record.metrics.values() for heads in domains.values())
    return sum(metrics.rows for found in heads for head, metrics in found.items() if head != records.ORACLE)
