"""Half-precision numbers of many tokens on disk: written whole or not at all, mapped into memory, the oldest first out.

An entry is a folder with one file per name, token after token, in the machine's byte order. All entries stand in one
folder, which has a limit; a run's entry may hold only its first tokens.
"""

from __future__ import annotations

import math
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from ctrbench.files import clear_abandoned, unwritable, whole_folder

_ADVICE = "free space, move the cache with CTRBENCH_CACHE, or keep nothing with the training setting cache_gb=0"
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

    def room(self, limit: int) -> int:
        """Bytes that a new entry may take: all that other entries leave or could leave, of the limit and the disk."""
        with self._explained():
            others = sum(size for _, size in self._others().values())
            return min(limit, int(_OF_FREE * (self._free() + others)))

    def write(self, chunks: Iterable[Mapping[str, Tensor]], size: int, limit: int) -> None:
        """The entry from `chunks`, each (tokens, *shape) by name; other entries make room for its `size` in bytes.

        Raises `OutputError` where it cannot be written; then, or when interrupted, no new entry is there.
        """
        with self._explained():
            for lock in self.folder.parent.glob("*.lock"):
                clear_abandoned(lock.with_suffix(""))
            self._make_room(size, limit)
        with whole_folder(self.folder, _ADVICE) as new, ExitStack() as stack:
            files = {name: stack.enter_context((new / self._file(name).name).open("wb")) for name in self.shapes}
            for chunk in chunks:
                for name, file in files.items():
                    # not through a memory map: there a full disk would kill the process
                    file.write(chunk[name].contiguous().numpy().data)
            for file in files.values():
                file.flush()
                os.fsync(file.fileno())

    def read(self) -> dict[str, Tensor]:
        """(tokens, *shape) by name; values are read from disk when they are used. The entry counts as used now."""
        tokens = self.tokens
        if not tokens:  # an empty file cannot be mapped
            return {name: torch.empty(0, *shape, dtype=torch.float16) for name, shape in self.shapes.items()}
        with suppress(OSError):  # a cache that may only be read
            os.utime(self.folder)
        with self._explained():
            return {name: _mapped(self._file(name), (tokens, *shape)) for name, shape in self.shapes.items()}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes this entry meanwhile; a process that is killed lets go."""
        lock = FileLock(f"{self.folder}.lock")
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

    def _others(self) -> dict[Path, tuple[float, int]]:
        """When each other entry was last used, and its bytes; the least recently used first."""
        entries = [path for path in self.folder.parent.glob("[!.]*/") if path != self.folder]
        found = {path: (path.stat().st_mtime, sum(file.stat().st_size for file in path.iterdir())) for path in entries}
        return dict(sorted(found.items(), key=lambda entry: entry[1]))

    def _make_room(self, size: int, limit: int) -> None:
        """Remove other entries, the least recently used first, until `size` more bytes fit the limit and the disk."""
        others = self._others()
        left = sum(taken for _, taken in others.values())
        for path, (_, taken) in others.items():
            if left + size <= limit and size <= _OF_FREE * self._free():
                return
            shutil.rmtree(path, ignore_errors=True)
            left -= taken

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
