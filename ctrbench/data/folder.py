"""A folder that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ctrbench.errors import OutputError


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give an empty folder beside `out`; when the block ends well it becomes `out`, else it is removed.

    What stood at `out` is replaced only then. Folders left behind by killed processes of this machine are
    cleared away first. Raises `OutputError` when the place cannot be written.
    """
    out = out.resolve()
    mark = f".{out.name}.{socket.gethostname()}."
    folder = out.parent / f"{mark}{os.getpid()}"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(out.parent, mark)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    except OSError as error:
        raise OutputError(f"{out} cannot be written ({error.strerror}): choose another --out") from error
    try:
        yield folder
        _replace(out, folder)
    except OSError as error:
        raise OutputError(f"{out} could not be written ({error})") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replace(out: Path, folder: Path) -> None:
    if not out.exists():
        folder.rename(out)
        return
    old = folder.with_name(f"{folder.name}.old")
    out.rename(old)
    folder.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _clear_abandoned(parent: Path, mark: str) -> None:
    for path in parent.glob(f"{mark}*"):
        pid = path.name.removeprefix(mark).split(".")[0]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
