"""Files that a plugin's code writes where it may not.

Seen is what Python opens, makes, renames or removes for the plugin's code, where that has not called ctrbench to do it:
so neither ctrbench's own files nor other processes' are taken for the plugin's. What compiled code writes by itself, as
polars and torch can, is not seen.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

_PATHS: dict[str, tuple[tuple[int, int | None], ...]] = {
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.truncate": ((0, None),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
    "sqlite3.connect": ((0, None),),
}
"""Events of Python's audit hooks that change files, and which of their arguments are paths, each with its `dir_fd`."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True, eq=False)
class _Watch:
    packages: frozenset[str]
    found: list[Path] = field(default_factory=list)


_watches: list[_Watch] = []
_hooked: list[bool] = []


@contextmanager
def watched(packages: frozenset[str], allowed: Sequence[Path]) -> Iterator[list[Path]]:
    """What code of these top-level packages writes within, and outside of `allowed`; the list is whole at the end.

    Folders for temporary files and caches of the user are allowed, and Python's compiled code.
    """
    if not _hooked:  # nothing can remove it again
        sys.addaudithook(_hear)
        _hooked.append(True)
    watch, outside = _Watch(packages), list[Path]()
    _watches.append(watch)
    try:
        yield outside
    finally:
        _watches.remove(watch)
        places = [Path(os.path.realpath(place)) for place in (*allowed, *_common())]
        paths = dict.fromkeys(path for path in watch.found if "__pycache__" not in path.parts)
        outside += [path for path in paths if not any(_real(path).is_relative_to(place) for place in places)]


def _common() -> list[Path]:
    """Where any program may write."""
    import platformdirs

    others = {name: value for name, value in os.environ.items() if not name.startswith("CTRBENCH")}
    named = [value for name, value in others.items() if "CACHE" in name or name in ("HF_HOME", "TORCH_HOME")]
    caches = [Path(platformdirs.user_cache_dir("any")).parent, Path("~/.triton").expanduser()]
    caches += [Path(value) for value in named if os.path.isabs(value)]
    return [Path(tempfile.gettempdir()), Path("/dev"), Path("/proc"), *caches]


def _real(path: Path) -> Path:
    """Without links on the way to it; what it is itself is what was made or removed."""
    return Path(os.path.realpath(path.parent), path.name)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watches or (event != "open" and event not in _PATHS):
        return
    with suppress(Exception):  # whatever goes wrong here must not harm what is watched
        paths = changed(event, arguments)
        for watch in _watches if paths else ():
            if _innermost(watch.packages, sys._getframe(1)):
                watch.found.extend(paths)


def changed(event: str, arguments: tuple[Any, ...]) -> list[Path]:
    """The files, by absolute paths, that an event of Python's audit hooks changes; those that are open have none."""
    places = _PATHS.get(event, ())
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
        places = ((0, None),)
    found = []
    for place, folder in places:
        path, descriptor = arguments[place], -1 if folder is None else arguments[folder]
        if isinstance(path, str | bytes | os.PathLike) and path != ":memory:":
            with suppress(OSError):  # a system that does not tell where an open folder is
                start = "" if descriptor == -1 else os.readlink(f"/proc/self/fd/{descriptor}")
                found.append(Path(os.path.abspath(os.path.join(start, os.fsdecode(path)))))
    return found


def _innermost(packages: frozenset[str], frame: FrameType | None) -> bool:
    """Whether code of these packages is at work, and has not called ctrbench to do it."""
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in packages:
            return True
        if package == "ctrbench":
            return False
        frame = frame.f_back
    return False
