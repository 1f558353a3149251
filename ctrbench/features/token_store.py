"""Tokens of many rows on disk: written chunk by chunk, whole or not at all, and mapped into memory."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from ctrbench.data.fingerprint import file_hash
from ctrbench.features.encode import Encoded
from ctrbench.files import unwritable, whole_folder

_TOKENS, _LENGTHS, _FACTS = "tokens.int32", "lengths.int32", "facts.json"
_ADVICE = "free space, or move the cache with CTRBENCH_CACHE"
_log = logging.getLogger(__name__)


class Facts(BaseModel):
    """What an entry says of itself; `shortened` and `cut` are those of `Encoded`, `sha256` those of its files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    tokens: int
    shortened: int
    cut: int
    sha256: dict[str, str]


def stored(folder: Path, make: Callable[[], Iterable[Encoded]]) -> tuple[Tensor, Tensor, Facts]:
    """The entry `folder`: tokens (total,) int32, mapped into memory; offsets (rows + 1,) int64; and its facts.

    An entry that is absent or damaged is written from what `make` yields. Of several processes that want it, one
    does so and the others wait. Raises `OutputError` where it cannot be written.
    """
    facts = _intact(folder)
    if facts is None:
        with _locked(folder):
            facts = _intact(folder) or _write(folder, make())
    values = _mapped(folder / _TOKENS, facts.tokens)
    lengths = np.fromfile(folder / _LENGTHS, np.int32)
    return values, torch.from_numpy(np.concatenate([[0], lengths.cumsum(dtype=np.int64)])), facts


def _mapped(path: Path, count: int) -> Tensor:
    """A file of int32 as a tensor whose values are read when they are used; changes to it never reach the file."""
    if not count:  # an empty file cannot be mapped
        return torch.empty(0, dtype=torch.int32)
    return torch.from_file(str(path), shared=False, size=count, dtype=torch.int32)


def _intact(folder: Path) -> Facts | None:
    """The facts of an entry whose files are what it says they are."""
    if not folder.exists():
        return None
    try:
        facts = Facts.model_validate_json((folder / _FACTS).read_bytes())
        if facts.sha256 == {name: file_hash(folder / name) for name in (_TOKENS, _LENGTHS)}:
            return facts
        fault = "its files have changed"
    except (OSError, ValueError) as error:
        fault = str(error)
    _log.warning("the cached tokens in %s are damaged and are made again", folder)
    _log.info("%s: %s", folder, fault)
    return None


def _write(folder: Path, chunks: Iterable[Encoded]) -> Facts:
    """The entry from `chunks`, of which one is in memory at a time; the facts, which mark it as whole, come last."""
    rows = tokens = shortened = cut = 0
    hashes = {name: hashlib.sha256() for name in (_TOKENS, _LENGTHS)}
    with whole_folder(folder, _ADVICE) as new:
        with (new / _TOKENS).open("wb") as values, (new / _LENGTHS).open("wb") as lengths:
            for chunk in chunks:
                for file, name, array in ((values, _TOKENS, chunk.values), (lengths, _LENGTHS, chunk.lengths)):
                    data = array.astype(np.int32, copy=False).data
                    file.write(data)
                    hashes[name].update(data)
                rows, tokens = rows + len(chunk.lengths), tokens + len(chunk.values)
                shortened, cut = shortened + chunk.shortened, cut + chunk.cut
        sha256 = {name: digest.hexdigest() for name, digest in hashes.items()}
        facts = Facts(rows=rows, tokens=tokens, shortened=shortened, cut=cut, sha256=sha256)
        (new / _FACTS).write_text(facts.model_dump_json(), encoding="utf-8")
    return facts


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
