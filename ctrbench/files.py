"""Files and folders appear whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from ctrbench.errors import OutputError

_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}(\.\w+)?")
"""How `atomic` names its temporary files: the file's own name, and what `mkstemp` makes up."""
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


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


def ensure_writable(folder: Path, advice: str) -> None:
    """Make a folder, or raise `OutputError`, ending in `advice`, when nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as fault:
        raise unwritable(folder, fault, advice) from fault


@contextmanager
def whole_folder(out: Path, advice: str) -> Iterator[Path]:
    """An empty folder beside `out` that takes its place when the block ends well, and vanishes otherwise.

    What stood at `out` is replaced only then. Folders left behind by killed processes of this machine are
    cleared away first. Raises `OutputError`, ending in `advice`, when the place cannot be written.
    """
    out = out.resolve()
    folder = out.parent / f"{_mark(out)}{os.getpid()}"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        clear_abandoned(out)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    except OSError as fault:
        raise unwritable(out, fault, advice) from fault
    try:
        yield folder
        _replace(out, folder)
    except OSError as fault:
        raise unwritable(out, fault, advice) from fault
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def leftovers(folder: Path) -> list[Path]:
    """Temporary files of `atomic` in a folder: those of killed processes, where nobody else is writing there."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _TEMPORARY.fullmatch(path.name))


def clear_abandoned(out: Path) -> None:
    """Remove folders that killed processes of this machine left behind in `whole_folder(out)`."""
    mark = _mark(out)
    for path in out.parent.glob(f"{escape(mark)}*"):
        pid = path.name.removeprefix(mark).split(".")[0]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def _mark(out: Path) -> str:
    """How the names of temporary folders for `out` begin; a process id follows."""
    return f".{out.name}.{socket.gethostname()}."


def unwritable(file: Path, fault: OSError, advice: str) -> OutputError:
    """The sentence for a file that cannot be written; where one may not write, more space would not help."""
    if fault.errno in _FORBIDDEN:
        advice = advice.removeprefix("free space, ").removeprefix("or ")
        advice = advice.replace("another folder", "another folder that you may write")
    return OutputError(f"cannot write {file} ({fault.strerror or fault}); {advice}")


def _settle(temporary: Path) -> None:
    """Bring a file to the disk, readable as any other new file (mkstemp makes it private)."""
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(0o666 & ~mask)


def _replace(out: Path, folder: Path) -> None:
    if not out.exists():
        folder.rename(out)
        return
    old = folder.with_name(f"{folder.name}.old")
    out.rename(old)
    folder.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
