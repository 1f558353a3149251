"""Files are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ctrbench.errors import OutputError


@contextmanager
def atomic(file: Path, advice: str) -> Iterator[Path]:
    """A temporary path beside `file` that takes its place when the block ends well, and vanishes otherwise.

    Raises `OutputError`, ending in `advice`, when the place cannot be written, or the disk is full.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=file.suffix, dir=file.parent)
        os.close(handle)
    except OSError as fault:
        raise unwritable(file, fault, advice) from fault
    temporary = Path(name)
    try:
        yield temporary
        _settle(temporary)
        temporary.replace(file)
    except OSError as fault:
        raise unwritable(file, fault, advice) from fault
    finally:
        temporary.unlink(missing_ok=True)


def unwritable(file: Path, fault: OSError, advice: str) -> OutputError:
    """The sentence for a file that cannot be written."""
    return OutputError(f"cannot write {file} ({fault.strerror or fault}); {advice}")


def _settle(temporary: Path) -> None:
    """Bring a file to the disk, readable as any other new file (mkstemp makes it private)."""
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(0o666 & ~mask)
