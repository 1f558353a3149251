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
from ctrbench.conduct.writes import changed

_USES = ("open", "socket.connect", "socket.getaddrinfo")


class Event(NamedTuple):
    """One thing that code does; paths of files are absolute."""

    name: str
    arguments: tuple[Any, ...]
    changed: tuple[Path, ...]
    """Files that it makes, changes or removes."""


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
        paths = [path.resolve() for event in heard for path in event.changed]
        found = [path for path in paths if not _everywhere(path) and not any(map(path.is_relative_to, allowed))]
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
    if not _listening:
        return
    paths = tuple(changed(event, arguments))
    if paths or event in _USES:
        of_files = not event.startswith("socket.")
        for found in _listening:
            found.append(Event(event, tuple(map(_whole, arguments)) if of_files else arguments, paths))


def _whole(argument: Any) -> Any:
    """A path as it is from anywhere."""
    if isinstance(argument, str | bytes | os.PathLike):
        return os.path.abspath(os.fsdecode(argument))
    return argument


def _everywhere(path: Path) -> bool:
    """Whether any code may write there."""
    return "__pycache__" in path.parts or path.parts[:2] == ("/", "dev")
