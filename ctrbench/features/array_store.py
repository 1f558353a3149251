"""Features of many rows on disk: written chunk by chunk, whole or not at all, and mapped into memory."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import torch
from filelock import FileLock
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from ctrbench.data.fingerprint import file_hash
from ctrbench.errors import PluginError
from ctrbench.features.mapped import mapped
from ctrbench.features.ragged import Ragged
from ctrbench.files import unwritable, whole_folder

_FACTS = "facts.json"
_ADVICE = "free space, or move the cache with CTRBENCH_CACHE"
_log = logging.getLogger(__name__)


class Chunk(NamedTuple):
    """Features of n rows, and what is to be counted of them.

    `features`: tensors (n, ...) and `Ragged` of n by name; of one type and width in all chunks.
    """

    features: Mapping[str, Tensor | Ragged]
    counts: Mapping[str, int] = {}


class Stored(NamedTuple):
    """All chunks as one, mapped into memory; and the sums of their counts."""

    features: dict[str, Tensor | Ragged]
    counts: dict[str, int]


def stored(folder: Path, make: Callable[[], Iterable[Chunk]]) -> Stored:
    """The entry `folder`; where it is absent or damaged, it is written from what `make` yields, one chunk or more.

    Of several processes that want it, one writes it and the others wait. Raises `OutputError` where it cannot be
    written, and `PluginError` for chunks that do not go together.
    """
    facts = _intact(folder)
    if facts is None:
        with _locked(folder):
            facts = _intact(folder) or _write(folder, make())
    return _read(folder, facts)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Array(_Part):
    """A tensor in a file of its own; `shape` counts the rows of all chunks."""

    file: str
    sha256: str
    dtype: str
    shape: tuple[int, ...]


class _Facts(_Part):
    """What an entry says of itself. `ragged`: pad and mask of such features, whose two tensors are in `arrays`."""

    arrays: dict[str, _Array]
    ragged: dict[str, tuple[int, str | None]]
    counts: dict[str, int]


def _intact(folder: Path) -> _Facts | None:
    """The facts of an entry whose files are what it says they are."""
    if not folder.exists():
        return None
    try:
        facts = _Facts.model_validate_json((folder / _FACTS).read_bytes())
        if all(file_hash(folder / array.file) == array.sha256 for array in facts.arrays.values()):
            return facts
        fault = "its files have changed"
    except (OSError, ValueError) as error:
        fault = str(error)
    _log.warning("the cached features in %s are damaged and are made again", folder)
    _log.info("%s: %s", folder, fault)
    return None


def _read(folder: Path, facts: _Facts) -> Stored:
    arrays = {
        name: mapped(folder / array.file, getattr(torch, array.dtype), array.shape)
        for name, array in facts.arrays.items()
    }
    ragged: dict[str, Ragged] = {}
    for name, (pad, mask) in facts.ragged.items():
        values, offsets = (arrays.pop(part) for part in _parts(name))
        ragged[name] = Ragged(values, offsets, pad, mask)
    return Stored({**arrays, **ragged}, facts.counts)


def _write(folder: Path, chunks: Iterable[Chunk]) -> _Facts:
    """The entry from `chunks`, of which one is in memory at a time; the facts, which mark it as whole, come last."""
    counts: Counter[str] = Counter()
    with whole_folder(folder, _ADVICE) as new:
        with ExitStack() as files:
            entry = _Entry(new, files)
            for features, counted in chunks:
                for name, feature in features.items():
                    entry.add(name, feature)
                counts.update(counted)
        arrays = {name: writer.facts() for name, writer in entry.writers.items()}
        facts = _Facts(arrays=arrays, ragged=entry.ragged, counts=counts)
        (new / _FACTS).write_text(facts.model_dump_json(), encoding="utf-8")
    return facts


class _Entry:
    """The files of an entry that is being written."""

    def __init__(self, folder: Path, files: ExitStack) -> None:
        self.folder, self.files = folder, files
        self.writers: dict[str, _Writer] = {}
        self.ragged: dict[str, tuple[int, str | None]] = {}

    def add(self, name: str, feature: Tensor | Ragged) -> None:
        if not isinstance(feature, Ragged):
            self._append(name, feature)
            return
        values, offsets = _parts(name)
        first = name not in self.ragged
        before = 0 if first else self.writers[values].rows
        self.ragged[name] = feature.pad, feature.mask
        self._append(values, feature.values)
        self._append(offsets, (feature.offsets if first else feature.offsets[1:]) + before)

    def _append(self, name: str, tensor: Tensor) -> None:
        if name not in self.writers:
            # A field's name may hold what a file's must not.
            file = self.files.enter_context((self.folder / f"{len(self.writers)}.bin").open("wb"))
            self.writers[name] = _Writer(name, file, tensor.dtype, tensor.shape[1:])
        self.writers[name].append(tensor)


class _Writer:
    """Appends tensors of one type and width to a file."""

    def __init__(self, name: str, file: BinaryIO, dtype: torch.dtype, width: torch.Size) -> None:
        self.name, self.file, self.kind = name, file, (dtype, width)
        self.rows, self.digest = 0, hashlib.sha256()

    def append(self, tensor: Tensor) -> None:
        kind = tensor.dtype, tensor.shape[1:]
        if kind != self.kind:
            raise PluginError(f"a featurizer gave '{self.name}' as {self.kind} for some rows, as {kind} for others")
        if tensor.numel():
            data = tensor.contiguous().numpy().data
            self.file.write(data)
            self.digest.update(data)
        self.rows += len(tensor)

    def facts(self) -> _Array:
        dtype, width = self.kind
        name = str(dtype).removeprefix("torch.")
        return _Array(
            file=Path(self.file.name).name, sha256=self.digest.hexdigest(), dtype=name, shape=(self.rows, *width)
        )


def _parts(name: str) -> tuple[str, str]:
    """What the two tensors of a `Ragged` are called among others."""
    return f"{name} values", f"{name} offsets"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Nobody else writes this entry meanwhile; a process that is killed lets go."""
    lock = FileLock(f"{folder}.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as fault:
        raise unwritable(folder, fault, _ADVICE) from fault
    try:
        yield
    finally:
        lock.release()
