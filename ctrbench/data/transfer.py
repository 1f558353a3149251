"""One file over HTTP, resumed where it was cut.

What has arrived lies in `X.part`, and which version of the remote file it is of in `X.part.about`. A request for the
rest holds only for that version (`If-Range`), and the answer is looked at all the same: servers may ignore the
condition, the range, or both. Where a server names no version, nothing is resumed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import requests
from pydantic import BaseModel, ConfigDict, ValidationError
from urllib3.exceptions import HTTPError

from ctrbench.data.web import Again, Web, refuse
from ctrbench.files import atomic, unwritable

ADVICE = "make room there, or see that it is writable; the same command then goes on where this one stopped"
_BLOCK = 1 << 16


class Version(BaseModel):
    """What tells one state of a remote file from another; `size` in bytes."""

    model_config = ConfigDict(frozen=True)

    etag: str | None = None
    modified: str | None = None
    size: int | None = None

    @property
    def validator(self) -> str | None:
        """For `If-Range`: a strong ETag, else the date; None where neither is known."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def may_be(self, other: Version) -> bool:
        """Whether nothing that both know differs."""
        pairs = zip(self.model_dump().values(), other.model_dump().values(), strict=True)
        return all(mine == theirs for mine, theirs in pairs if None not in (mine, theirs))

    def of_any_size(self) -> Version:
        """The same without its size."""
        return self.model_copy(update={"size": None})


class Transfer:
    """Brings a remote file into the `.part` beside its place; `watch` hears how many bytes there are, of how many."""

    def __init__(self, web: Web, url: str, file: Path, watch: Callable[[int, int | None], None]) -> None:
        self.web, self.url, self.file, self.watch = web, url, file, watch
        self.part, self.about = part_of(file), about_of(file)
        self.furthest = 0

    def run(self) -> Path:
        """The `.part`, with all that the server has. Raises `DataError` (server) and `OutputError` (disk)."""
        self.web.patiently(self.url, self._once, lambda: self.furthest)
        return self.part

    def _once(self) -> None:
        known, have = _known(self.about), resumable(self.file)
        if have and have == known.size:  # by a process that was killed right then
            return
        wanted = {"Range": f"bytes={have}-", "If-Range": str(known.validator)} if have else {}
        with self.web.ask("GET", self.url, wanted) as response:
            if response.status_code == 200:
                self._write(response, 0, version_of(response))
                return
            if response.status_code not in (206, 416):
                raise refuse(response, self.url)
            start, found = _range(response)
            if response.status_code == 416 and have and found.size == have and found.may_be(known.of_any_size()):
                return  # it said that there was more
            if start != have or (have and not found.may_be(known)):
                self.part.unlink(missing_ok=True)
                raise Again("the file there is another one than before, so it is fetched from its start")
            self._write(response, have, known if found.size is None else found)

    def _write(self, response: requests.Response, start: int, version: Version) -> None:
        done, size = start, version.size
        try:
            with self.part.open("ab" if start else "wb") as out:
                if not start:  # bytes of an older version are gone before the new one is noted
                    with atomic(self.about, ADVICE) as about:
                        about.write_text(version.model_dump_json())
                try:
                    # As they come: a server may call a .gz file "encoded", and it is to stay packed.
                    for block in response.raw.stream(_BLOCK, decode_content=False):
                        out.write(block)
                        done += len(block)
                        self.furthest = max(self.furthest, done)
                        self.watch(done, size)
                except HTTPError:
                    raise Again(_cut(done, size)) from None
                out.flush()
                os.fsync(out.fileno())
        except OSError as fault:
            raise unwritable(self.part, fault, ADVICE) from fault
        if size is not None and done != size:
            if done > size:
                self.part.unlink(missing_ok=True)
            raise Again(_cut(done, size))


def part_of(file: Path) -> Path:
    """Where a file is while it is not whole."""
    return file.with_name(f"{file.name}.part")


def about_of(file: Path) -> Path:
    """Which version the `.part` is of."""
    return file.with_name(f"{file.name}.part.about")


def resumable(file: Path) -> int:
    """Bytes of a file's `.part` that need not be fetched again."""
    part = part_of(file)
    return part.stat().st_size if part.is_file() and _known(about_of(file)).validator else 0


def version_of(response: requests.Response, size: str | None = None) -> Version:
    """What a response's headers tell; `size` in place of its Content-Length, which may be that of a piece."""
    told = response.headers.get("Content-Length", "") if size is None else size
    headers = response.headers
    return Version(
        etag=headers.get("ETag"), modified=headers.get("Last-Modified"), size=int(told) if told.isdecimal() else None
    )


def _range(response: requests.Response) -> tuple[int | None, Version]:
    """Where a piece starts, and which version it is of: `Content-Range: bytes 100-199/200`, or `bytes */200`."""
    found = re.fullmatch(r"\s*bytes\s+(?:(\d+)-\d+|\*)/(\d+|\*)\s*", response.headers.get("Content-Range", ""))
    start, size = found.groups() if found else (None, "*")
    return int(start) if start else None, version_of(response, size)


def _known(about: Path) -> Version:
    try:
        return Version.model_validate_json(about.read_bytes())
    except (OSError, ValidationError):
        return Version()


def _cut(done: int, size: int | None) -> str:
    if size is not None and done > size:
        return f"it sent {done:,} bytes where it announced {size:,}"
    return f"the connection was cut after {done:,}{f' of {size:,}' if size else ''} bytes"
