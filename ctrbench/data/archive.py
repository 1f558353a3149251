"""Files out of a zip that somebody else made."""

from __future__ import annotations

import shutil
import stat
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from ctrbench.data.transfer import ADVICE
from ctrbench.errors import DataError, OutputError
from ctrbench.files import atomic

MOST = 8 << 30
"""Bytes that the members of one archive may unpack to."""


def unpacked(archive: Path, members: Sequence[str]) -> list[Path]:
    """Where the members go: beside the archive, whatever folder they are in inside of it."""
    return [archive.with_name(PurePosixPath(member).name) for member in members]


def unpack(archive: Path, members: Sequence[str]) -> None:
    """Write the members that are not there yet, each whole or not at all; no other member is touched.

    Raises `DataError` for a broken archive, one that lacks a member, and for members that are links or too large,
    `OutputError` when they cannot be written.
    """
    try:
        with ZipFile(archive) as file:
            chosen = [_member(file, archive, name) for name in members]
            _check_room(archive, sum(member.file_size for member in chosen))
            for member, target in zip(chosen, unpacked(archive, members), strict=True):
                if not target.exists():
                    _write(file, member, target)
    except (BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError) as fault:
        raise DataError(f"{archive} cannot be unpacked ({fault}): delete it and download it again") from None


def _member(file: ZipFile, archive: Path, name: str) -> ZipInfo:
    try:
        member = file.getinfo(name)
    except KeyError:
        raise DataError(f"{archive} holds no {name}: it is not the published file; delete it") from None
    if stat.S_ISLNK(member.external_attr >> 16) or member.is_dir():
        raise DataError(f"{archive}: {name} is no file but a link or a folder; delete the archive")
    return member


def _check_room(archive: Path, size: int) -> None:
    if size > MOST:
        raise DataError(f"{archive} would unpack to {size:,} bytes, more than the {MOST:,} that are allowed; delete it")
    free = shutil.disk_usage(archive.parent).free
    if size > free:
        raise OutputError(
            f"{archive} unpacks to {size:,} bytes and {free:,} are free in {archive.parent}: make room there"
        )


def _write(file: ZipFile, member: ZipInfo, target: Path) -> None:
    with file.open(member) as packed, atomic(target, ADVICE) as temporary, temporary.open("wb") as out:
        shutil.copyfileobj(packed, out, 1 << 20)  # reads no more than the size that was checked, then its CRC
