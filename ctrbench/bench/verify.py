"""Whether all that lies in a results folder is what it says. Nothing here imports torch."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ctrbench.bench import stored, turns
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.records import Record, Unusable
from ctrbench.bench.results import StoredRun, half_removed
from ctrbench.bench.shared import old_marks
from ctrbench.bench.verify_folder import (
    Finding,
    anew,
    hash_of_ids,
    place,
    predictions,
    reading_of,
    scores,
    stored_rows,
    weights,
)
from ctrbench.data.fingerprint import file_hash
from ctrbench.data.store import PreparedDataset, rows_hash
from ctrbench.errors import CtrbenchError, DataError

if TYPE_CHECKING:
    from ctrbench.data.split import Split

_SLICE = 2**16  # rows in memory at a time


@dataclass
class Verifier:
    """Looks at runs, one after the other; what several share, as test rows, it reads once."""

    clean: bool = False
    """Remove what killed processes left behind."""
    _datasets: dict[str, PreparedDataset | None] = field(default_factory=dict, init=False)
    _hashes: dict[tuple[str, str, int | None], str] = field(default_factory=dict, init=False)
    _ids: dict[tuple[str, str, str, int | None], str] = field(default_factory=dict, init=False)
    _models: dict[Path, str] = field(default_factory=dict, init=False)
    _gone: Counter[tuple[str, str, str]] = field(default_factory=Counter, init=False)
    """Runs whose dataset is not where it was, by that place, the dataset's name and its fingerprint."""

    def run(self, run: StoredRun) -> Iterator[Finding]:
        """All that is to be said of one run; nothing where it is whole. See `not_compared`, too."""
        folder, busy = run.folder, turns.held(run.folder)
        if busy:
            yield Finding(folder.path, "note", "a process is at it")
            return
        try:
            record = stored.sound(folder)
        except Unusable as fault:
            yield Finding(fault.file, "fault", fault.what, fault.advice)
            record = None
        else:
            if record is None:
                yield Finding(folder.path, "note", "was never finished; the command that began it goes on with it")
        yield from self._left(folder, ended=record is not None and record.status == "done")
        if record is not None:
            yield from place(folder, record)
            if record.status == "done":
                yield from weights(folder)
                yield from self._base(folder, record)
                spoilt = list(predictions(folder, record))
                yield from spoilt
                yield from self._rows(folder, record, scored=not spoilt)

    def not_compared(self, results: Path) -> Iterator[Finding]:
        """The datasets that are not there any more, of the runs that were looked at: each is told once."""
        for (where, name, fingerprint), count in sorted(self._gone.items()):
            dataset = f"{name} ({fingerprint[:12]})"
            rows = f"test rows of {count:,} run{'s' * (count != 1)} were not compared"
            if where:
                remedy = "prepare it there again to have them compared"
                yield Finding(Path(where), "note", f"does not hold {dataset} any more: {rows}", remedy)
            else:
                yield Finding(results, "note", f"does not tell where {dataset} is: {rows}")

    def removals(self, results: Path) -> Iterator[Finding]:
        """Folders that were being removed when something killed that."""
        for path in [*half_removed(results), *old_marks(results)]:
            if self.clean:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
            yield self._leftover(path)

    def _left(self, folder: RunFolder, *, ended: bool) -> Iterator[Finding]:
        left = turns.leftovers(folder) if ended else turns.half_written(folder.path)
        if self.clean:
            turns.clear(folder, left)
        for path in left:
            yield self._leftover(path)
        for path in sorted(folder.path.glob("*.bad-*")):
            yield Finding(path, "note", "was set aside; nothing reads it", "remove it yourself, whenever you like")

    def _leftover(self, path: Path) -> Finding:
        gone = self.clean and not path.exists()
        text = f"was left by a killed process{'; removed' if gone else ''}"
        return Finding(path, "note", text, "" if gone else "--clean removes it")

    def _base(self, folder: RunFolder, record: Record) -> Iterator[Finding]:
        """Whether what a run was grown from is still there, whatever the times of the files are."""
        if record.growth is None or record.spec.base is None:
            return
        base = folder.beside(record.spec.base)
        if base.path not in self._models:
            try:
                self._models[base.path] = file_hash(base.model)
            except OSError:
                yield Finding(base.model, "note", f"is not there; {folder.path} was made on top of it", anew(base))
                return
        if self._models[base.path] != record.growth.base_file:
            yield Finding(folder.record, "fault", stored.of_another_base(base), anew(folder))

    def _rows(self, folder: RunFolder, record: Record, *, scored: bool) -> Iterator[Finding]:
        """Whether rows are those of the prepared dataset, if that is still where it was; `scored`: also predictions."""
        data = self._dataset(record)
        if data is None:
            dataset = record.dataset
            self._gone[dataset.path or "", dataset.name, dataset.fingerprint] += 1
            return
        if scored and folder.predictions.exists():
            yield from self._scored(folder, record, data)
        for domain, expected in record.rows.test_hash.items():
            try:
                found = self._hash(data, domain, record.spec.limit)
            except DataError as fault:
                yield Finding(folder.record, "fault", str(fault))
                continue
            if found != expected:
                text = f"its test rows of {domain} are not those of {data.path}"
                yield Finding(folder.record, "fault", text, anew(folder))

    def _scored(self, folder: RunFolder, record: Record, data: PreparedDataset) -> Iterator[Finding]:
        """Whether predictions are of the dataset's rows, each once."""
        limit = record.spec.limit
        for split, domain, head in scores(record):
            key = (str(data.path), split, domain, limit)
            try:
                if key not in self._ids:
                    with data.reading():
                        self._ids[key] = hash_of_ids(data.scan(cast("Split", split), (domain,), limit))
                with reading_of(folder):
                    found = hash_of_ids(stored_rows(folder, split, domain, head))
            except DataError as fault:
                yield Finding(folder.predictions, "fault", f"cannot be compared with its dataset: {fault}")
                return
            if found != self._ids[key]:
                text = f"its row_ids ({split} rows of {domain}, head {head}) are not those of {data.path}"
                yield Finding(folder.predictions, "fault", text, anew(folder))
                return

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
