"""Whether a downloaded file is the one that was published."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from functools import partial
from pathlib import Path

from ctrbench.data.remote import RemoteFile

_BLOCK = 1 << 20


def fault_in(part: Path, file: RemoteFile) -> str | None:
    """What is wrong with the bytes that came: not the published ones or, where those are unknown, no whole gzip."""
    if file.checksum is not None:
        kind, _, published = file.checksum.partition(":")
        with part.open("rb") as stream:
            found = hashlib.file_digest(stream, partial(hashlib.new, kind, usedforsecurity=False)).hexdigest()
        return None if found == published else f"is not the published file ({kind} {found} instead of {published})"
    if file.path.endswith(".gz"):
        try:
            with gzip.open(part) as packed:
                while packed.read(_BLOCK):
                    pass
        except (gzip.BadGzipFile, EOFError, zlib.error) as fault:
            return f"is no whole gzip file ({fault})"
    return None if part.stat().st_size else "is empty"
