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

_PATHS = {
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.truncate": (0,),
    "os.rename": (0, 1),
    "os.link": (1,),
    "os.symlink": (1,),
    "sqlite3.connect": (0,),
}
"""Events of Python's audit hooks that change files, and which of their arguments are the paths."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True)
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
        places = [Path(os.path.abspath(place)) for place in (*allowed, *_common())]
        paths = dict.fromkeys(path for path in watch.found if "__pycache__" not in path.parts)
        outside += [path for path in paths if not any(path.is_relative_to(place) for place in places)]


def _common() -> list[Path]:
    """Where any program may write."""
    import platformdirs

    caches = [os.environ[name] for name in ("XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME") if os.environ.get(name)]
    cache = Path(platformdirs.user_cache_dir("any")).parent
    return [Path(tempfile.gettempdir()), Path("/dev"), Path("/proc"), cache, *map(Path, caches)]


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watches or (event != "open" and event not in _PATHS):
        return
    with suppress(Exception):  # whatever goes wrong here must not harm what is watched
        paths = _paths(event, arguments)
        for watch in _watches if paths else ():
            if _innermost(watch.packages, sys._getframe(1)):
                watch.found.extend(paths)


def _paths(event: str, arguments: tuple[Any, ...]) -> list[Path]:
    if event == "open":
        given = arguments[:1] if isinstance(arguments[2], int) and arguments[2] & _WRITING else ()
    else:
        given = tuple(arguments[place] for place in _PATHS[event])
    named = [path for path in given if isinstance(path, str | bytes | os.PathLike) and path != ":memory:"]
    return [Path(os.path.abspath(os.fsdecode(path))) for path in named]


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
