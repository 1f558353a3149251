"""Stdout is for results: what plugins print goes to stderr, after a line that names the plugin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast


class _Diverted:
    """A stream that passes all on to another one, and announces the first words."""

    def __init__(self, who: object, stream: TextIO) -> None:
        self._who, self._stream, self._announced = who, stream, False

    def write(self, text: str) -> int:
        if text.strip() and not self._announced:
            self._announced = True
            self._stream.write(f"ctrbench: {self._who} prints to stdout, which is for results; here it is:\n")
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def diverted(who: object) -> Iterator[None]:
    """Within, what Python code prints goes to stderr. What other code writes to file descriptor 1 is not seen."""
    with redirect_stdout(cast("TextIO", _Diverted(who, sys.stderr))):
        yield
