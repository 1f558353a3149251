"""A source's code is asked for files and tables: what it does wrong meanwhile is told with its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ctrbench.conduct.blame import Suspect, blaming
from ctrbench.conduct.watch import running


@contextmanager
def asking(source_name: str, root: Path, what: str) -> Iterator[None]:
    """Within, code of a registered source runs, which may write under `root` only; `what` it is asked for is told.

    Raises `PluginError`, naming the source, for what it raises that is no sentence of ctrbench's own.
    """
    suspect = Suspect("datasets", source_name)
    with running(suspect, (root,), here=True), blaming(suspect, f"when it was asked for {what}"):
        yield
