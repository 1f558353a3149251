"""Whether all that lies in a results folder is what it says. Nothing here imports torch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl
from safetensors import SafetensorError, safe_open

from ctrbench import files
from ctrbench.bench import metric_tree, needs, records, stored, turns
from ctrbench.bench.records import Record, RunFolder, Unusable, slug
from ctrbench.bench.results import StoredRun, half_removed
from ctrbench.data.lines import reading
from ctrbench.data.store import TRUE_PROBABILITY, PreparedDataset, rows_hash
from ctrbench.errors import CtrbenchError, DataError, OutputError

_SLICE = 2**16  # rows in memory at a time


@dataclass(frozen=True)
class Finding:
    """One thing about a file or folder. A `note` is harmless: left over, or not to be told."""

    path: Path
    level: Literal["fault", "note"]
    text: str


@dataclass
class Verifier:
    """Looks at runs, one after the other; what several share, as test rows, it reads once."""

    clean: bool = False
    """Remove what killed processes left behind."""
    _datasets: dict[str, PreparedDataset | None] = field(default_factory=dict, init=False)
    _hashes: dict[tuple[str, str, int | None], str] = field(default_factory=dict, init=False)

    def run(self, run: StoredRun) -> Iterator[Finding]:
        """All that is to be said of one run; nothing where it is whole."""
        folder, busy = run.folder, turns.held(run.folder)
        if busy:
            yield Finding(folder.path, "note", "a process is at it")
            return
        try:
            record = stored.sound(folder)
        except Unusable as fault:
            yield Finding(fault.file, "fault", fault.what)
            record = None
        else:
            if record is None:
                yield Finding(folder.path, "note", "was never finished; the command that began it goes on with it")
        yield from self._left(folder, ended=record is not None and record.status == "done")
        if record is not None:
            yield from _place(folder, record)
            if record.status == "done":
                yield from _weights(folder)
                yield from _predictions(folder, record)
                yield from self._rows(folder, record)

    def removals(self, results: Path) -> Iterator[Finding]:
        """Folders that were being removed when something killed that."""
        for path in half_removed(results):
            if self.clean:
                shutil.rmtree(path, ignore_errors=True)
            yield self._leftover(path)

    def _left(self, folder: RunFolder, *, ended: bool) -> Iterator[Finding]:
        left = turns.leftovers(folder) if ended else files.leftovers(folder.path)
        if self.clean:
            turns.clear(folder, left)
        for path in left:
            yield self._leftover(path)
        for path in sorted(folder.path.glob("*.bad-*")):
            yield Finding(path, "note", "was set aside; nothing reads it")

    def _leftover(self, path: Path) -> Finding:
        gone = self.clean and not path.exists()
        return Finding(path, "note", f"was left by a killed process{'; removed' if gone else ''}")

    def _rows(self, folder: RunFolder, record: Record) -> Iterator[Finding]:
        """Whether the test rows are those of the prepared dataset, if that is still where it was."""
        data = self._dataset(record)
        if data is None:
            place = record.dataset.path or "a place that the record does not name"
            yield Finding(folder.record, "note", f"its dataset is not at {place} any more; test rows were not compared")
            return
        for domain, expected in record.rows.test_hash.items():
            try:
                found = self._hash(data, domain, record.spec.limit)
            except DataError as fault:
                yield Finding(folder.record, "fault", str(fault))
                continue
            if found != expected:
                yield Finding(folder.record, "fault", f"its test rows of {domain} are not those of {data.path}")

    def _dataset(self, record: Record) -> PreparedDataset | None:
        path = record.dataset.path or ""
        if path not in self._datasets:
            self._datasets[path] = None
            with suppress(CtrbenchError):
                self._datasets[path] = PreparedDataset.open(path) if path else None
        data = self._datasets[path]
        return data if data is not None and data.fingerprint == record.spec.dataset else None

    def _hash(self, data: PreparedDataset, domain: str, limit: int | None) -> str:
        key = (str(data.path), domain, limit)
        if key not in self._hashes:
            self._hashes[key] = rows_hash(data.slices("test", (domain,), limit, size=_SLICE))
        return self._hashes[key]


def _place(folder: RunFolder, record: Record) -> Iterator[Finding]:
    model, dataset = folder.path.parent.name, folder.path.parent.parent.name
    if (dataset, model) != (slug(record.dataset.name), slug(record.spec.model)):
        text = f"is of {record.spec.model} on {record.dataset.name}: nobody looks for it here"
        yield Finding(folder.path, "fault", text)


def _weights(folder: RunFolder) -> Iterator[Finding]:
    if not folder.model.exists():
        yield Finding(folder.model, "note", "is missing: nothing more can be scored with this run")
    for path in sorted({*folder.path.glob("[!.]*.safetensors")} - {folder.checkpoint}):
        try:
            with safe_open(path, framework="np") as file:
                file.keys()
        except (OSError, SafetensorError) as fault:
            yield Finding(path, "fault", f"cannot be read ({fault})")
    if folder.latency.exists():
        try:
            needs.read_latency(folder)
        except OutputError as fault:
            yield Finding(folder.latency, "fault", str(fault).removeprefix(f"{folder.latency} "))
    try:
        json.loads(folder.features.read_text("utf-8"))
    except FileNotFoundError:
        yield Finding(folder.features, "note", "is missing: no new rows can be scored with this run")
    except (OSError, ValueError) as fault:
        yield Finding(folder.features, "fault", f"cannot be read ({fault})")


def _predictions(folder: RunFolder, record: Record) -> Iterator[Finding]:
    """Whether each metric of the record comes out of the predictions again."""
    if record.metrics and not folder.predictions.exists():
        yield Finding(folder.predictions, "fault", "is missing")
        return
    for split, domains in record.metrics.items():
        for domain, heads in domains.items():
            for head in heads.keys() - {records.ORACLE}:
                try:
                    again = _again(folder, split, domain, head)
                except DataError as fault:
                    yield Finding(folder.predictions, "fault", str(fault).removeprefix(f"{folder.predictions} "))
                    return
                for name, (label, logit) in again.items():
                    if name in heads and not metric_tree.comes_of(label, logit, heads[name]):
                        what = f"is not what its record was made of ({split} rows of {domain}, head {name})"
                        yield Finding(folder.predictions, "fault", what)
                        break


def _again(folder: RunFolder, split: str, domain: str, head: str) -> dict[str, tuple[pl.Series, pl.Series]]:
    """Labels and logits of a head, and of the oracle where it is known, as they are stored."""
    with reading(folder.predictions, f"`ctrbench results rm {folder.path.name}`, and run it again"):
        rows = pl.scan_parquet(folder.predictions).filter(split=split, domain=domain, head=head)
        found = rows.select("label", "logit", TRUE_PROBABILITY).collect()
    truth = found[TRUE_PROBABILITY]
    oracle = {} if truth.null_count() else {records.ORACLE: (found["label"], (truth / (1 - truth)).log())}
    return {head: (found["label"], found["logit"]), **oracle}
