"""What a download is doing: its plan on stdout, and on stderr a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.filesize import decimal
from rich.markup import escape

from ctrbench.cli.live import EVERY
from ctrbench.cli.telling import clock
from ctrbench.data.download import Listener, Piece, Plan


@contextmanager
def watching(stream: TextIO, *, quiet: bool) -> Iterator[Listener]:
    """The listener that suits the place, for as long as the block lasts."""
    if quiet:
        yield Listener()
    elif stream.isatty():
        with Bar(stream) as bar:
            yield bar
    else:
        yield Lines(stream)


class Lines(Listener):
    """A line every few seconds: bytes, rate and time left of the whole download."""

    def __init__(self, stream: TextIO, every: float = EVERY) -> None:
        self.stream, self.every = stream, every
        self.start = self.last = time.monotonic()
        self.before = 0
        self.done: dict[str, int] = {}
        self.sizes: dict[str, int | None] = {}

    def announce(self, plan: Plan) -> None:
        """How much will come, file by file."""
        self.done = {piece.name: piece.have for piece in plan.pieces}
        self.sizes = {piece.name: piece.size for piece in plan.pieces}
        self.start = self.last = time.monotonic()
        self.before = plan.have
        print(announcement(plan), flush=True)

    def progress(self, piece: Piece, done: int, size: int | None) -> None:
        """At most one line every few seconds."""
        self.done[piece.name], self.sizes[piece.name] = done, size
        now = time.monotonic()
        if now - self.last >= max(self.every, (now - self.start) / 10):
            self.last = now
            self.tell(f"{piece.name}: {self._state(now)}")

    def tell(self, text: str) -> None:
        """A line of its own."""
        print(text, file=self.stream, flush=True)

    def totals(self) -> tuple[int, int | None]:
        """Bytes that are there, and of how many, where every size is known."""
        known = [size for size in self.sizes.values() if size is not None]
        return sum(self.done.values()), sum(known) if len(known) == len(self.sizes) else None

    def _state(self, now: float) -> str:
        done, total = self.totals()
        rate = max(done - self.before, 0) / (now - self.start)
        parts = [decimal(done) if total is None else f"{decimal(done)} of {decimal(total)}", f"{decimal(int(rate))}/s"]
        if total is not None and rate > 0:
            parts.append(f"ETA {clock((total - done) / rate)}")
        return " · ".join(parts)


class Bar(Lines):
    """One bar for the whole download, with bytes, rate and time left."""

    def __init__(self, stream: TextIO) -> None:
        from rich import progress
        from rich.console import Console

        super().__init__(stream)
        columns = (progress.BarColumn(24), progress.DownloadColumn(), progress.TransferSpeedColumn())
        self.bar = progress.Progress(
            *columns, progress.TimeRemainingColumn(), "{task.description}", console=Console(file=stream), transient=True
        )

    def __enter__(self) -> Bar:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def announce(self, plan: Plan) -> None:
        """The plan, and below it the bar, at what is there already."""
        super().announce(plan)
        done, total = self.totals()
        self.task = self.bar.add_task("", completed=done, total=total)

    def progress(self, piece: Piece, done: int, size: int | None) -> None:
        """Shown at the next refresh."""
        self.done[piece.name], self.sizes[piece.name] = done, size
        reached, total = self.totals()
        self.bar.update(self.task, completed=reached, total=total, description=escape(piece.name))

    def tell(self, text: str) -> None:
        """Scrolls up; the bar stays."""
        self.bar.console.print(text, markup=False, highlight=False)


def announcement(plan: Plan) -> str:
    """How many files and bytes are to come, from which a user may see whether to go on."""
    unknown = sum(piece.size is None for piece in plan.pieces)
    parts = [f"to download: {_files(len(plan.pieces))}, {'at least ' if unknown else ''}{decimal(plan.size)}"]
    parts += [f"of which {decimal(plan.have)} are here from before"] if plan.have else []
    parts += [f"{_files(len(plan.present))} there already"] if plan.present else []
    sizes = {piece.name: "size unknown" if piece.size is None else decimal(piece.size) for piece in plan.pieces}
    width = max(map(len, sizes), default=0)
    return "\n".join(["; ".join(parts), *(f"    {name:{width}}  {size}" for name, size in sizes.items())])


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"
