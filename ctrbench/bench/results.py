"""All runs in a results folder: list them, choose among them, remove them. Nothing here imports torch or polars."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Literal

from filelock import Timeout

from ctrbench import files
from ctrbench.bench import records, turns
from ctrbench.bench.folders import RunFolder, slug
from ctrbench.bench.records import Record, Unusable
from ctrbench.errors import ConfigError, OutputError
from ctrbench.spelling import nearest, suggest

Status = Literal["done", "failed", "unreadable", "unfinished", "running"]
STATUSES: tuple[Status, ...] = ("done", "failed", "unreadable", "unfinished", "running")
REMOVED = ".removed"
"""How the name of a folder ends while it is being removed; what a killed removal leaves."""
_ID = re.compile("[0-9a-f]{16}")
_MISTYPED = 0.8  # how like an id an unknown one is, to be taken for it: any two ids are a little alike


@dataclass(frozen=True)
class StoredRun:
    """One folder: a run that ended, that somebody is at, or that was left behind."""

    folder: RunFolder
    record: Record | None
    fault: Unusable | None = None
    """Why there is no record, although there is a file."""

    @property
    def id(self) -> str:
        """The run's id, which is its folder's name."""
        return self.folder.path.name

    @property
    def model(self) -> str:
        """The model's name; the folder's where no record tells it."""
        return self.record.spec.model if self.record else self.folder.path.parent.name

    @property
    def dataset(self) -> str:
        """The source's name; the folder's where no record tells it."""
        return self.record.dataset.name if self.record else self.folder.path.parent.parent.name

    @cached_property
    def status(self) -> Status:
        """`running`: a process is at it, which is not looked for where the record says that all is done."""
        if self.record is not None and self.record.status == "done":
            return "done"
        if turns.held(self.folder):
            return "running"
        if self.fault is not None:
            return "unreadable"
        return "failed" if self.record is not None else "unfinished"

    @property
    def auc(self) -> float | None:
        """The mean AUC over the trained domains' test rows."""
        tested = self.record.metrics.get("test", {}) if self.record else {}
        known = [heads["own"].auc for heads in tested.values() if "own" in heads]
        found = [auc for auc in known if auc is not None]
        return fmean(found) if found else None

    @cached_property
    def when(self) -> datetime:
        """When the run ended; where no record tells it, when its files were last written."""
        finished = self.record.provenance.get("finished") if self.record else None
        with suppress(ValueError, TypeError):
            told = datetime.fromisoformat(str(finished))
            return told if told.tzinfo else told.replace(tzinfo=UTC)
        written = [entry.stat().st_mtime for entry in _entries(self.folder.path)]
        return datetime.fromtimestamp(max([self.folder.path.stat().st_mtime, *written]), UTC)

    @property
    def version(self) -> str | None:
        """Of the ctrbench that made it."""
        told = self.record.provenance.get("ctrbench") if self.record else None
        return None if told is None else str(told)

    @cached_property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(entry.stat().st_size for entry in _entries(self.folder.path))


def stored_runs(results: Path) -> list[StoredRun]:
    """Every run of a results folder, by dataset, model and id. Raises `ConfigError` where there is no such folder."""
    if not results.is_dir():
        raise ConfigError(f"there is no folder {results}; name the one that holds your runs with --results")
    return [_stored(RunFolder(path)) for path in sorted(results.glob("*/*/*")) if _is_run(path)]


def choose(
    runs: Sequence[StoredRun],
    *,
    ids: Sequence[str] = (),
    dataset: str | None = None,
    model: str | None = None,
    status: str | None = None,
    older_than: float | None = None,
) -> list[StoredRun]:
    """The runs for which all of this holds. `ids` may be shortened; `older_than` is in days.

    `dataset` is a source's name, or begins its fingerprint. Raises `ConfigError` for an id, dataset or model that there
    is no run of.
    """
    if ids:
        chosen = {run.folder.path for name in ids for run in _of_id(runs, name)}
        runs = [run for run in runs if run.folder.path in chosen]
    if dataset is not None:
        runs = _known([run for run in runs if _is_of(run, dataset)], runs, "dataset", dataset)
    if model is not None:
        runs = _known([run for run in runs if model in (run.model, slug(run.model))], runs, "model", model)
    if older_than is not None:
        latest = datetime.now(UTC) - timedelta(days=older_than)
        runs = [run for run in runs if run.when < latest]
    return [run for run in runs if status is None or run.status == status]


def remove(run: StoredRun) -> bool:
    """Remove a run's folder: at once under another name, which then is deleted. False where a process is at it."""
    path = run.folder.path
    gone = path.with_name(f".{path.name}{REMOVED}")
    if path.is_symlink():
        raise OutputError(f"{path} is a link to {path.resolve()}, which is left as it is; remove the link yourself")
    try:
        with turns.lock_of(run.folder).acquire(timeout=0):
            shutil.rmtree(gone, ignore_errors=True)
            path.rename(gone)
        shutil.rmtree(gone)
    except Timeout:
        return False
    except NotImplementedError as fault:
        raise OutputError(f"{run.folder.lock} cannot be locked ({fault}); remove {path} yourself") from fault
    except OSError as fault:
        raise files.unwritable(path, fault, "see to its rights, and try again") from fault
    with suppress(OSError):  # the last run of its model, or of its dataset
        path.parent.rmdir()
        path.parent.parent.rmdir()
    return True


def half_removed(results: Path) -> list[Path]:
    """Folders that a killed removal left."""
    return sorted(path for path in results.glob(f"*/*/.*{REMOVED}") if path.is_dir())


def _is_run(path: Path) -> bool:
    return (
        path.is_dir()
        and not path.name.startswith(".")
        and (_ID.fullmatch(path.name) is not None or (path / "record.json").exists())
    )


def _stored(folder: RunFolder) -> StoredRun:
    try:
        return StoredRun(folder, records.read(folder.record))
    except Unusable as fault:
        return StoredRun(folder, None, fault)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """All files below a folder, some of which may be gone by the time one looks at them."""
    with suppress(FileNotFoundError), os.scandir(folder) as found:
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(Path(entry.path))
            else:
                yield entry


def _of_id(runs: Sequence[StoredRun], name: str) -> list[StoredRun]:
    found = [run for run in runs if run.id == name] or [run for run in runs if run.id.startswith(name)]
    if not found:
        raise ConfigError(f"there is no run {name!r}.{_near(name, [run.id for run in runs])}")
    if len({run.id for run in found}) > 1:
        raise ConfigError(f"{name!r} begins the ids of {len(found)} runs; write more of it")
    return found


def _near(name: str, ids: Sequence[str]) -> str:
    """The ids that begin much like a name; else how many there are, which would fill the screen."""
    starts = {one[: len(name)]: one for one in ids}
    if near := nearest(name, starts, likeness=_MISTYPED):
        return f" Did you mean {' or '.join(repr(starts[start]) for start in near)}?"
    return f" Stored: {len(ids):,}; `ctrbench results ls` lists them."


def _is_of(run: StoredRun, dataset: str) -> bool:
    fingerprint = run.record.dataset.fingerprint if run.record else ""
    return dataset in (run.dataset, slug(run.dataset)) or (len(dataset) >= 6 and fingerprint.startswith(dataset))


def _known(found: list[StoredRun], among: Sequence[StoredRun], what: str, name: str) -> list[StoredRun]:
    if not found and among:
        known = {str(getattr(run, what)) for run in among}
        raise ConfigError(f"there is no run of the {what} {name!r}.{suggest(name, known)}")
    return found
