"""The files that a source declares, fetched into a folder: announced, resumed, verified, and whole or not there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout
from rich.filesize import decimal
from urllib3.util import Retry

from ctrbench.data.archive import unpack, unpacked
from ctrbench.data.remote import RemoteFile
from ctrbench.data.transfer import ADVICE, Transfer, about_of, resumable, version_of
from ctrbench.data.verify import fault_in
from ctrbench.data.web import PATIENCE, Web, refuse
from ctrbench.errors import ConfigError, DataError, OutputError
from ctrbench.files import unwritable

LOCK = ".download.lock"


@dataclass(frozen=True)
class Piece:
    """One file that is still to come: its size in bytes, where it is known, and how many of them are there."""

    name: str
    url: str
    size: int | None
    have: int


@dataclass(frozen=True)
class Plan:
    """What a download will do: the files to fetch, and the names of those that are there already."""

    pieces: tuple[Piece, ...]
    present: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all files to fetch, as far as they are known."""
        return sum(piece.size or 0 for piece in self.pieces)

    @property
    def have(self) -> int:
        """Bytes that an earlier, interrupted download left."""
        return sum(piece.have for piece in self.pieces)


class Listener:
    """Hears how a download gets on; this one says nothing."""

    def announce(self, plan: Plan) -> None:
        """Before the first byte."""

    def progress(self, piece: Piece, done: int, size: int | None) -> None:
        """So many bytes of a file are there; `size` is what the server says now."""

    def tell(self, text: str) -> None:
        """Something that takes its time, such as a busy server."""


def download(
    files: Sequence[RemoteFile],
    root: Path,
    *,
    mirror: str | None = None,
    listener: Listener | None = None,
    patience: Retry = PATIENCE,
) -> Plan:
    """Bring files into `root`; those that are there are left alone. Returns what was to be done.

    mirror: an address (https, or http if it says so) that takes the place of each file's `base`.
    Raises `ConfigError` for a mirror that is no such address and a root that is a file, `DataError` when a server has
    not got a file, has another one than was published, or stays silent, and `OutputError` when the disk is full or not
    writable. What has arrived by then stays, and the same call goes on from there.
    """
    listener = listener or Listener()
    offline = f"Files that were fetched elsewhere may be put into {root}, or give another server as --mirror"
    web = Web(plain=_check_mirror(mirror), tell=listener.tell, patience=patience, offline=offline)
    if root.is_file():
        raise ConfigError(f"{root} is a file: name a folder to put the files into")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _alone(root, listener):
            missing = [file for file in files if not _is_there(file, root)]
            plan = Plan(
                pieces=tuple(_piece(file, root, mirror, web) for file in missing),
                present=tuple(file.path for file in files if file not in missing),
            )
            listener.announce(plan)
            _check_room(plan, root)
            for file, piece in zip(missing, plan.pieces, strict=True):
                _bring(file, piece, root, web, listener)
            return plan
    except OSError as fault:
        raise unwritable(root, fault, ADVICE) from fault


@contextmanager
def _alone(root: Path, listener: Listener) -> Iterator[None]:
    """No other process downloads into the folder meanwhile."""
    lock = FileLock(root / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        listener.tell(f"another process downloads into {root}: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _is_there(file: RemoteFile, root: Path) -> bool:
    wanted = unpacked(root / file.path, file.unpack) or [root / file.path]
    return all(path.exists() for path in wanted)


def _piece(file: RemoteFile, root: Path, mirror: str | None, web: Web) -> Piece:
    """What is left to do for a file: its size as the server tells it, else as it was published."""
    url, place = f"{(mirror or file.base).rstrip('/')}/{file.name}", root / file.path
    if place.exists():  # packed
        return Piece(file.path, url, place.stat().st_size, place.stat().st_size)
    size = web.patiently(url, lambda: _remote_size(web, url))
    size = file.size if size is None else size
    return Piece(file.path, url, size, resumable(place))


def _remote_size(web: Web, url: str) -> int | None:
    with web.ask("HEAD", url, {}) as response:
        if response.status_code in (404, 410):
            raise refuse(response, url)
        return version_of(response).size if response.status_code == 200 else None  # some servers know no HEAD


def _check_room(plan: Plan, root: Path) -> None:
    free, needed = shutil.disk_usage(root).free, plan.size - plan.have
    if needed > free:
        raise OutputError(
            f"{root} has room for {decimal(free)} and {decimal(needed)} are to come: make room there, or choose another"
            " folder as --root"
        )


def _bring(file: RemoteFile, piece: Piece, root: Path, web: Web, listener: Listener) -> None:
    place = root / file.path
    if not place.exists():
        watch = partial(listener.progress, piece)
        part = Transfer(web, piece.url, place, watch).run()
        fault = fault_in(part, file)
        if fault:
            part.unlink()
            about_of(place).unlink(missing_ok=True)
            raise DataError(
                f"{piece.url} {fault}, so it was thrown away: run the same command again to fetch it anew, or give"
                " another server as --mirror"
            )
        part.replace(place)
    about_of(place).unlink(missing_ok=True)
    if file.unpack:
        unpack(place, file.unpack)


def _check_mirror(mirror: str | None) -> bool:
    """Whether the mirror allows plain http."""
    if mirror is None:
        return False
    try:
        parts = urlsplit(mirror)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        good = False
    if not good:
        raise ConfigError(f"--mirror {mirror} is no address like https://host/folder, which the files' names follow")
    return parts.scheme == "http"
