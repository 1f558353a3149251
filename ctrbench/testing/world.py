"""What code does to the world around it: random generators, what else all code shares, files, and servers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ctrbench.conduct.state import RANDOM, kept

_CHANGES = {
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.truncate": (0,),
    "os.rename": (0, 1),
    "os.link": (1,),
    "os.symlink": (1,),
}
"""Events of Python's audit hooks that change files, and which of their arguments are the paths."""
_USES = ("open", "socket.connect", "socket.getaddrinfo")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Event(NamedTuple):
    """One thing that code does; paths are absolute."""

    name: str
    arguments: tuple[Any, ...]


_listening: list[list[Event]] = []
_hooks: list[object] = []


@contextmanager
def generators_untouched(which: Sequence[str] = RANDOM) -> Iterator[None]:
    """Fails where the state of one of these global generators is another at the end, and puts all back."""
    with kept() as changed:
        yield
    _assert_none(changed, which)


@contextmanager
def surroundings_untouched() -> Iterator[None]:
    """Fails where anything else that all code shares is another at the end, and puts it back: folder, environment …"""
    environment = dict(os.environ)
    try:
        with kept() as changed:
            yield
        _assert_none(changed, [name for name in changed if name not in RANDOM])
        odd = sorted({name for name, _ in environment.items() ^ dict(os.environ).items()})
        assert not odd, f"the environment's {', '.join(odd)} changed"
    finally:
        if os.environ != environment:
            os.environ.clear()
            os.environ.update(environment)


def _assert_none(changed: Sequence[str], which: Sequence[str]) -> None:
    odd = [name for name in changed if name in which]
    assert not odd, f"{', '.join(odd)} changed"


@contextmanager
def writes_only_in(*folders: Path) -> Iterator[None]:
    """Fails where files outside these folders are made, changed or removed; Python's own compiled code may be.

    What is written by Python is seen anywhere; by other code, as polars, in the working folder, a new one.
    """
    allowed = [folder.resolve() for folder in folders]
    with TemporaryDirectory() as here, chdir(here), events() as heard:
        yield
        changed = [path for event in heard for path in _changed(event)]
        found = [path for path in changed if not any(path.is_relative_to(folder) for folder in allowed)]
        found += [Path(here, name) for name in contents(Path(here))]
    told = dict.fromkeys(str(path) for path in found)
    assert not told, f"written outside: {', '.join(list(told)[:3])}"


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of all that is in a folder, by its path there; of folders (0, 0)."""
    found = {}
    for path in sorted(folder.rglob("*")):
        about = path.stat()
        found[str(path.relative_to(folder))] = (0, 0) if path.is_dir() else (about.st_size, about.st_mtime_ns)
    return found


def assert_unchanged(now: dict[str, tuple[int, int]], before: dict[str, tuple[int, int]]) -> None:
    """Two `contents` are alike."""
    odd = sorted({name for name, _ in now.items() ^ before.items()})
    assert not odd, f"written, changed or removed: {', '.join(odd[:3])}"


@contextmanager
def events() -> Iterator[list[Event]]:
    """What Python reports to audit hooks meanwhile: files that are opened or changed, servers that are asked."""
    if not _hooks:  # which nothing can remove again
        sys.addaudithook(_hear)
        _hooks.append(_hear)
    found: list[Event] = []
    _listening.append(found)
    try:
        yield found
    finally:
        _listening[:] = [one for one in _listening if one is not found]


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _listening and (event in _CHANGES or event in _USES):
        for found in _listening:
            found.append(Event(event, tuple(map(_whole, arguments))))


def _whole(argument: Any) -> Any:
    """A path as it is from anywhere."""
    if isinstance(argument, str | bytes | os.PathLike):
        return os.path.abspath(os.fsdecode(argument))
    return argument


def _changed(event: Event) -> Iterator[Path]:
    """The files that an event changes."""
    places = _CHANGES.get(event.name, ())
    if event.name == "open" and isinstance(event.arguments[2], int) and event.arguments[2] & _WRITING:
        places = (0,)
    for place in places:
        path = event.arguments[place]
        if isinstance(path, str):  # not the number of a file that is open
            whole = Path(path).resolve()
            if "__pycache__" not in whole.parts and whole.parts[:2] != ("/", "dev"):
                yield whole
