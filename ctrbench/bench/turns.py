"""One command at a time is at a run: whoever holds the lock in its folder. A killed process holds none.

Nothing here imports torch.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from ctrbench import files
from ctrbench.bench import records
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.shared import old_marks
from ctrbench.errors import OutputError

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from ctrbench.training.processes import Team

PAUSE = 0.5
"""Seconds between two looks at whether another command has let go of a run."""
_log = logging.getLogger(__name__)


@contextmanager
def turn(folder: RunFolder, team: Team) -> Iterator[bool]:
    """Whether this command has the run for itself while the block lasts; False where another command is at it.

    Turns at one run may be nested. Of several processes, the main one holds the lock, and all learn of it. Raises
    `OutputError` where the folder cannot be written.
    """
    lock = lock_of(folder)
    mine = team.on_main(lambda: _acquired(lock, folder))
    try:
        yield mine
    finally:
        if mine and team.main:
            lock.release()


@contextmanager
def awaited(folder: RunFolder, team: Team) -> Iterator[None]:
    """The same, after waiting for another command that is at the run."""
    patient = False
    while True:
        with turn(folder, team) as mine:
            if mine:
                yield
                return
        if team.main and not patient:
            _log.warning("another process is at run %s; waiting for it", folder.path.name)
        patient = True
        time.sleep(PAUSE)


def each(
    folders: Mapping[int, RunFolder],
    bases: Mapping[int, str],
    team: Team,
    work: Callable[[int], None],
    on_held: Callable[[int], None],
) -> None:
    """`work` on every run, by its number, each in a turn of its own; those that another command is at come last.

    `bases`: the id of the run that one builds on. `on_held` hears once of each that another command is at.
    """
    left = list(folders)
    told: set[int] = set()
    while left:
        waiting: list[int] = []
        for index in left:
            if bases.get(index) in {folders[other].path.name for other in waiting}:
                waiting.append(index)
                continue
            with turn(folders[index], team) as mine:
                if mine:
                    work(index)
            if not mine:
                waiting.append(index)
                if index not in told:
                    on_held(index)
                told.add(index)
        if waiting == left:
            time.sleep(PAUSE)
        left = waiting


def lock_of(folder: RunFolder) -> BaseFileLock:
    """The lock of a run; one object in all of this process, so that it does not wait for itself."""
    return FileLock(folder.lock, is_singleton=True)


def held(folder: RunFolder) -> bool:
    """Whether a living process is at a run."""
    if not folder.lock.exists():
        return False
    try:
        with lock_of(folder).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except (OSError, NotImplementedError):  # a folder of somebody else, or a disk that only reads: nobody works there
        return False


def tidy(folder: RunFolder) -> None:
    """Remove what a killed process left in the folder of a finished run, where that is possible and nobody is at it."""
    clear(folder, leftovers(folder))


def clear(folder: RunFolder, left: Sequence[Path]) -> None:
    """Remove files of a run, where that is possible and nobody is at it."""
    if not left:
        return
    with suppress(OSError, NotImplementedError, Timeout), lock_of(folder).acquire(timeout=0):
        for path in left:
            path.unlink(missing_ok=True)


def leftovers(folder: RunFolder) -> list[Path]:
    """Half-written files in a finished run's folder, and a checkpoint that nobody will resume from."""
    return [*half_written(folder.path), *(path for path in _course(folder) if path.exists())]


def half_written(folder: Path) -> list[Path]:
    """What killed processes left half-done in a folder."""
    return [*files.leftovers(folder), *old_marks(folder)]


def forget_course(folder: RunFolder) -> None:
    """Remove what a training goes on from, of a run that is done."""
    for path in _course(folder):
        path.unlink(missing_ok=True)


def _course(folder: RunFolder) -> tuple[Path, ...]:
    return folder.checkpoint, folder.begun_on


def _acquired(lock: BaseFileLock, folder: RunFolder) -> bool:
    """Whether the lock was had; not where the folder is being removed at this moment, and its lock with it."""
    records.ensure_writable(folder.path)
    try:
        before = folder.path.stat()
        lock.acquire(timeout=0)
    except (Timeout, FileNotFoundError):
        return False
    except (OSError, NotImplementedError) as fault:
        raise OutputError(f"{folder.lock} cannot be locked ({fault}); choose another folder with --results") from fault
    with suppress(FileNotFoundError):
        if os.path.samestat(before, folder.path.stat()):
            return True
    lock.release()
    return False
