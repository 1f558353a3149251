"""What verbs that import all plugins share: how long one may take, and what is shown meanwhile."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from ctrbench.cli.live import EVERY
from ctrbench.doctor import TIMEOUT


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """How long a plugin's import may take."""
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help=f"how long the import of one plugin may take ({TIMEOUT:g})",
    )


@contextmanager
def telling(*, quiet: bool, stream: TextIO | None = None) -> Iterator[Callable[[str], None]]:
    """Takes what is looked at: on stderr, a line that changes in a terminal, elsewhere a line now and then."""
    stream = stream or sys.stderr
    if quiet:
        yield lambda text: None
    elif stream.isatty():
        from rich.console import Console
        from rich.text import Text

        with Console(file=stream).status("") as status:
            yield lambda text: status.update(Text(f"looking at {text}"))
    else:
        yield _Lines(stream)


class _Lines:
    """At most one line every few seconds."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.last = stream, time.monotonic()

    def __call__(self, text: str) -> None:
        if time.monotonic() - self.last >= EVERY:
            self.last = time.monotonic()
            print(f"looking at {text}", file=self.stream, flush=True)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds
