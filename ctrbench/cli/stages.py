"""What a preparation is doing, on stderr: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from ctrbench.cli.live import EVERY
from ctrbench.cli.telling import clock

if TYPE_CHECKING:
    from ctrbench.data.progress import Stage, Tell


@contextmanager
def telling(*, quiet: bool, stream: TextIO | None = None) -> Iterator[Tell | None]:
    """Whom a preparation is to tell its stages, for as long as the block lasts."""
    stream = stream or sys.stderr
    if quiet:
        yield None
    elif stream.isatty():
        with Bar(stream) as bar:
            yield bar.watch
    else:
        yield Lines(stream).watch


class Lines:
    """A line every few seconds, less often as work goes on; short work says nothing."""

    def __init__(self, stream: TextIO, every: float = EVERY) -> None:
        self.stream, self.every = stream, every
        self.name = ""
        self.begin = self.start = self.last = time.monotonic()

    def watch(self, stage: Stage) -> None:
        """A line, if the last one is old enough."""
        now = time.monotonic()
        if stage.name != self.name:
            self.name, self.start = stage.name, now
        if now - self.last >= max(self.every, (now - self.begin) / 10):
            self.last = now
            print(state(stage, now - self.start), file=self.stream, flush=True)


class Bar:
    """One line with the current stage, how far it is, its rate and the time left."""

    def __init__(self, stream: TextIO) -> None:
        from rich import progress
        from rich.console import Console

        columns = (progress.SpinnerColumn(), progress.BarColumn(24), "{task.description}", progress.TimeElapsedColumn())
        self.bar = progress.Progress(*columns, console=Console(file=stream), transient=True)
        self.name = ""
        self.start = time.monotonic()

    def __enter__(self) -> Bar:
        self.task = self.bar.add_task("", total=None)
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def watch(self, stage: Stage) -> None:
        """Shown at the next refresh."""
        from rich.markup import escape

        now = time.monotonic()
        if stage.name != self.name:
            self.name, self.start = stage.name, now
        text = escape(state(stage, now - self.start))
        self.bar.update(self.task, description=text, completed=stage.done, total=stage.total or None)


def state(stage: Stage, seconds: float) -> str:
    """`writing: 120,000 of 480,000 rows · 60,000 rows/s · ETA 0:06`, as far as it is known."""
    if not stage.done:
        return stage.name
    rate = stage.done / max(seconds, 1e-3)
    of = f" of {_count(stage.total, stage)}" if stage.total else ""
    unit = "" if stage.unit == "bytes" else f" {stage.unit}"
    parts = [f"{stage.name}: {_count(stage.done, stage)}{of}{unit}"]
    if stage.unit != "runs":
        parts.append(f"{_count(int(rate), stage)}{unit}/s")
    if stage.total:
        parts.append(f"ETA {clock((stage.total - stage.done) / rate)}")
    return " · ".join(parts)


def _count(number: int, stage: Stage) -> str:
    from rich.filesize import decimal

    return decimal(number) if stage.unit == "bytes" else f"{number:,}"
