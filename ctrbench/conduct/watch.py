"""All that is watched while a plugin is imported, or its code runs. What it does wrong is told, and put right."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ctrbench.compatibility import unfit
from ctrbench.conduct.blame import Suspect, described
from ctrbench.conduct.speech import diverted
from ctrbench.conduct.state import RANDOM, kept
from ctrbench.conduct.writes import watched

if TYPE_CHECKING:
    from ctrbench.registry import Plugin

SLOW = 5.0
"""Seconds of an import after which the plugin is named."""
_NAMED = 3  # files in a sentence
_log = logging.getLogger(__name__)


@contextmanager
def importing(plugin: Plugin) -> Iterator[None]:
    """Within, a plugin is imported. Nothing can be done where that ends the process, as `os._exit` does."""
    if _imported(plugin):
        yield
        return
    who = described(plugin)
    if plugin.kind == "models":
        with suppress(Exception):  # who has none hears of it from the import
            import torch  # noqa: F401  # as every model does: these seconds are not the plugin's
    advice = "Ctrl-C stops it, and `ctrbench doctor` tells what is wrong with it"
    timer = threading.Timer(SLOW, _log.warning, (f"{who} has been importing for {SLOW:g} s, and goes on; {advice}",))
    timer.daemon = True
    timer.start()
    _tell_unfit(plugin.distribution, plugin.version)
    try:
        with diverted(f"{who}, which is being imported,"), kept() as changed:
            yield
    finally:
        timer.cancel()
    _tell_changes(who, changed, "when it was imported")


@cache
def _tell_unfit(distribution: str, version: str) -> None:
    """That a distribution asks for another ctrbench, once; what it brings may work all the same."""
    if distribution != "ctrbench" and (wanted := unfit(distribution)):
        _log.warning("%s %s %s", distribution, version, wanted)


def _imported(plugin: Plugin) -> bool:
    module, _, name = plugin.value.partition(":")
    return name.partition(".")[0] in getattr(sys.modules.get(module), "__dict__", {})


@contextmanager
def running(suspect: Suspect, may_write: Sequence[Path], *, here: bool = False) -> Iterator[None]:
    """Within, code of a plugin runs, and may write to these places only; see `kept`, `watched` and `diverted`.

    `here`: whether what appears in the working folder counts, too, whoever writes it; compiled code is not seen else.
    Python's own random numbers are put back in silence: what fetches files from the web draws pauses from them.
    """
    before = _in_folder() if here else set()
    with watched(suspect.packages, may_write) as written, diverted(suspect), kept() as changed:
        yield
    _tell_changes(suspect, [name for name in changed if name != RANDOM[0]], "while it ran")
    doubt = ""
    if here:
        new = [Path(os.path.abspath(name)) for name in sorted(_in_folder() - before)]
        allowed = [Path(os.path.abspath(place)) for place in may_write]
        unseen = [path for path in new if path not in written and not _holds(path, allowed)]
        written, doubt = [*written, *unseen], ", or another program did" if unseen else ""
    if written:
        more = f" and {len(written) - _NAMED} more" if len(written) > _NAMED else ""
        paths = ", ".join(map(str, written[:_NAMED])) + more
        _log.warning("%s wrote where it may not%s, to %s; %s", suspect, doubt, paths, suspect.advice)


def _in_folder() -> set[str]:
    """What is in the working folder, where that can be read."""
    with suppress(OSError):
        return set(os.listdir())
    return set()


def _holds(path: Path, places: Sequence[Path]) -> bool:
    """Whether one of these places is this one, or lies in it."""
    return any(place.is_relative_to(path) for place in places)


def _tell_changes(who: object, changed: Sequence[str], when: str) -> None:
    if changed:
        told = ", ".join(changed)
        _log.warning("%s changed %s %s; it is put back, and other runs are as without it", who, told, when)
