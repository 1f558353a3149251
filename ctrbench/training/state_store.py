"""Half-precision numbers of many tokens on disk: written whole or not at all, mapped into memory, the oldest first out.

An entry is a folder with one file per name, token after token, in the machine's byte order. All entries stand in one
folder, which has a limit; a run's entry may hold only its first tokens. Files have their full length from the moment
they are begun, so that other commands see what an entry will take.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from ctrbench.files import clear_abandoned, unwritable, whole_folder

_ADVICE = "free space, move the cache with CTRBENCH_CACHE, or keep nothing with the training setting cache_gb=0"
_log = logging.getLogger(__name__)

_BYTES = 2  # of a number in half precision
_OF_FREE = 0.9  # share of the free disk space that may be taken


@dataclass(frozen=True)
class StateStore:
    """The entry `folder`: for each name, one float16 tensor of a shape per token."""

    folder: Path
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def bytes_per_token(self) -> int:
        """All names together."""
        return sum(_BYTES * math.prod(shape) for shape in self.shapes.values())

    @property
    def tokens(self) -> int:
        """How many tokens the entry holds; 0 where there is none that can be read."""
        try:
            sizes = [self._file(name).stat().st_size // (_BYTES * math.prod(s)) for name, s in self.shapes.items()]
        except OSError:
            return 0
        return min(sizes)

    def write(self, plan: Callable[[int], tuple[int, Iterable[Mapping[str, Tensor]]]], limit: int) -> None:
        """The entry, for which other entries make room; one that already holds as many tokens stays as it is.

        `plan(room)` says how many tokens it shall hold, of `room` bytes that it may take, and gives them in chunks,
        each (tokens, *shape) by name. Raises `OutputError` where the entry cannot be written; then, or when
        interrupted, no new entry is there.
        """
        with ExitStack() as stack:
            with self._alone("all"):  # nobody else finds the same room free
                tokens, chunks = plan(self._room(limit))
                if tokens <= self.tokens:
                    return
                self._make_room(tokens * self.bytes_per_token, limit)
                new = stack.enter_context(whole_folder(self.folder, _ADVICE))
                files = {name: stack.enter_context((new / self._file(name).name).open("wb")) for name in self.shapes}
                for name, shape in self.shapes.items():
                    files[name].truncate(tokens * _BYTES * math.prod(shape))
            for chunk in chunks:
                for name, file in files.items():
                    # not through a memory map: there a full disk would kill the process
                    file.write(chunk[name].contiguous().numpy().data)
            for file in files.values():
                file.flush()
                os.fsync(file.fileno())

    def read(self) -> dict[str, Tensor]:
        """(tokens, *shape) by name; values are read from disk when they are used. The entry counts as used now."""
        with suppress(OSError):  # a cache that may only be read
            os.utime(self.folder)
        tokens = self.tokens
        if tokens:  # an empty file cannot be mapped
            try:
                return {name: _mapped(self._file(name), (tokens, *shape)) for name, shape in self.shapes.items()}
            except (OSError, ValueError) as fault:  # ValueError: a file that became shorter
                _log.warning("%s cannot be read (%s): its rows are computed in every epoch", self.folder, fault)
        return {name: torch.empty(0, *shape, dtype=torch.float16) for name, shape in self.shapes.items()}

    def locked(self) -> AbstractContextManager[None]:
        """Nobody else writes this entry meanwhile; a process that is killed lets go."""
        return self._alone(self.folder.name)

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        lock = FileLock(self.folder.with_name(f"{name}.lock"))
        with self._explained():
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _file(self, name: str) -> Path:
        return self.folder / f"{quote(name, safe='')}.float16"

    def _free(self) -> int:
        return shutil.disk_usage(self.folder.parent).free

    def _room(self, limit: int) -> int:
        """Bytes that a new entry may take: all that other entries leave or could leave, of the limit and the disk."""
        with self._explained():
            for lock in self.folder.parent.glob("*.lock"):
                clear_abandoned(lock.with_suffix(""))
            begun = self._begun()
            others = sum(size for _, size in self._others().values())
            return max(min(limit - begun, int(_OF_FREE * (self._free() - begun + others))), 0)

    def _make_room(self, size: int, limit: int) -> None:
        """Remove other entries, the least recently used first, until `size` more bytes fit the limit and the disk."""
        begun, others = self._begun(), self._others()
        left = sum(taken for _, taken in others.values())
        with self._explained():
            for path, (_, taken) in others.items():
                if begun + left + size <= limit and size <= _OF_FREE * (self._free() - begun):
                    return
                shutil.rmtree(path, ignore_errors=True)
                left -= taken

    def _begun(self) -> int:
        """Bytes that entries which are being written will take; some of them are no longer free on the disk."""
        return sum(size for _, size in self._folders(".*/").values())

    def _others(self) -> dict[Path, tuple[float, int]]:
        """When each other entry was last used, and its bytes; the least recently used first."""
        found = self._folders("[!.]*/")
        found.pop(self.folder, None)
        return dict(sorted(found.items(), key=lambda entry: entry[1]))

    def _folders(self, pattern: str) -> dict[Path, tuple[float, int]]:
        """When each folder was last used, and its bytes."""
        found = {}
        for path in self.folder.parent.glob(pattern):
            with suppress(OSError):  # another command may remove it meanwhile
                found[path] = path.stat().st_mtime, sum(file.stat().st_size for file in path.iterdir())
        return found

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as fault:
            raise unwritable(self.folder, fault, _ADVICE) from fault


def _mapped(file: Path, shape: tuple[int, ...]) -> Tensor:
    """The first values of a file. Its pages are the system's to drop, since nothing can be written to them."""
    values = np.memmap(file, dtype=np.float16, mode="r", shape=shape)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # that torch could write to it
        return torch.from_numpy(values)
