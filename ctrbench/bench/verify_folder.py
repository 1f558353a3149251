"""Whether the files of one run are what its record says, by themselves. Nothing here imports torch."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from safetensors import SafetensorError, safe_open

from ctrbench.bench import metric_tree, needs, records
from ctrbench.bench.folders import RunFolder, slug
from ctrbench.bench.records import Record
from ctrbench.data.lines import reading
from ctrbench.data.store import TRUE_PROBABILITY
from ctrbench.errors import DataError, OutputError


@dataclass(frozen=True)
class Finding:
    """One thing about a file or folder. A `note` is harmless: left over, or not to be told."""

    path: Path
    level: Literal["fault", "note"]
    text: str
    remedy: str = ""
    """What to do about it; nothing, where nothing is to be done."""


def anew(folder: RunFolder) -> str:
    """What to type to have a run made anew."""
    results = folder.path.parents[2]
    where = "" if results == Path("results") else f" --results {shlex.quote(str(results))}"
    return f"`ctrbench results rm {folder.path.name}{where}`, then `ctrbench run` its table again"


def place(folder: RunFolder, record: Record) -> Iterator[Finding]:
    """Whether the run is where commands look for it."""
    model, dataset = folder.path.parent.name, folder.path.parent.parent.name
    wanted = Path(slug(record.dataset.name), slug(record.spec.model))
    if Path(dataset, model) != wanted:
        text = f"is of {record.spec.model} on {record.dataset.name}: nobody looks for it here"
        yield Finding(folder.path, "fault", text, f"move it to {folder.path.parents[2] / wanted}")


def weights(folder: RunFolder) -> Iterator[Finding]:
    """Whether what scoring needs, and what was made beside scores, can be read."""
    if not folder.model.exists():
        yield Finding(folder.model, "note", "is missing: nothing more can be scored with this run", anew(folder))
    for path in sorted({*folder.path.glob("[!.]*.safetensors")} - {folder.checkpoint}):
        try:
            with safe_open(path, framework="np") as file:
                file.keys()
        except (OSError, SafetensorError) as fault:
            made_again = "delete it, and `ctrbench run` its table again" if path == folder.representations else ""
            yield Finding(path, "fault", f"cannot be read ({fault})", made_again or anew(folder))
    if folder.latency.exists():
        try:
            needs.read_latency(folder)
        except OutputError as fault:  # which says what to do
            yield Finding(folder.latency, "fault", str(fault).removeprefix(f"{folder.latency} "))
    try:
        json.loads(folder.features.read_text("utf-8"))
    except FileNotFoundError:
        yield Finding(folder.features, "note", "is missing: no new rows can be scored with this run", anew(folder))
    except (OSError, ValueError) as fault:
        yield Finding(folder.features, "fault", f"cannot be read ({fault})", anew(folder))


def predictions(folder: RunFolder, record: Record) -> Iterator[Finding]:
    """Whether each metric of the record comes out of the predictions again."""
    if record.metrics and not folder.predictions.exists():
        yield Finding(folder.predictions, "fault", "is missing", anew(folder))
        return
    for split, domain, head in scores(record):
        heads = record.metrics[split][domain]
        try:
            again = _again(folder, split, domain, head)
        except DataError as fault:  # which says what to do
            yield Finding(folder.predictions, "fault", str(fault).removeprefix(f"{folder.predictions} "))
            return
        for name, (label, logit) in again.items():
            if name in heads and not metric_tree.comes_of(label, logit, heads[name]):
                what = f"is not what its record was made of ({split} rows of {domain}, head {name})"
                yield Finding(folder.predictions, "fault", what, anew(folder))
                break


def scores(record: Record) -> Iterator[tuple[str, str, str]]:
    """Split, domain and head of all that was scored with the model."""
    for split, domains in record.metrics.items():
        for domain, heads in domains.items():
            yield from ((split, domain, head) for head in heads.keys() - {records.ORACLE})


def _again(folder: RunFolder, split: str, domain: str, head: str) -> dict[str, tuple[pl.Series, pl.Series]]:
    """Labels and logits of a head, and of the oracle where it is known, as they are stored."""
    with reading_of(folder):
        found = stored_rows(folder, split, domain, head).select("label", "logit", TRUE_PROBABILITY).collect()
    truth = found[TRUE_PROBABILITY]
    oracle = {} if truth.null_count() else {records.ORACLE: (found["label"], metric_tree.as_logit(truth))}
    return {head: (found["label"], found["logit"]), **oracle}


def stored_rows(folder: RunFolder, split: str, domain: str, head: str) -> pl.LazyFrame:
    """The predictions of one head."""
    return pl.scan_parquet(folder.predictions).filter(split=split, domain=domain, head=head)


def reading_of(folder: RunFolder) -> AbstractContextManager[None]:
    """Turns predictions that cannot be read into a `DataError` that says what to do."""
    return reading(folder.predictions, anew(folder))


def hash_of_ids(rows: pl.LazyFrame) -> str:
    """A hash of the rows' ids, in whatever order they are."""
    ids = rows.select(pl.col("row_id").cast(pl.Int64).sort()).collect().to_series()
    return hashlib.sha256(ids.to_numpy().tobytes()).hexdigest()
