"""What a table's runs are doing, on stderr: a live view in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from ctrbench.cli.telling import State, clock, describe, outcome, outlook_in_words, share, title

if TYPE_CHECKING:
    from ctrbench.bench.run import Outlook, RunEvent
    from ctrbench.training.watch import Progress

EVERY = 5.0
"""Seconds between two lines where there is no terminal; more of them as a run goes on."""


class View(Protocol):
    """Hears of runs and of their progress."""

    def on_plan(self, outlook: Outlook) -> None:
        """What is before the command."""

    def on_run(self, event: RunEvent) -> None:
        """A run is there already, starts, or ended."""

    def watch(self, progress: Progress) -> None:
        """The current run got on."""


@contextmanager
def watching(*, quiet: bool, stream: TextIO | None = None) -> Iterator[View]:
    """The view that suits the place, for as long as the block lasts."""
    stream = stream or sys.stderr
    if quiet:
        yield Silent()
    elif stream.isatty():
        with Panel(stream) as panel:
            yield panel
    else:
        yield Lines(stream)


class Silent:
    """Says nothing."""

    def on_plan(self, outlook: Outlook) -> None:
        """Nothing."""

    def on_run(self, event: RunEvent) -> None:
        """Nothing."""

    def watch(self, progress: Progress) -> None:
        """Nothing."""


class Lines:
    """A line when a run starts or ends, and every few seconds between."""

    def __init__(self, stream: TextIO, every: float = EVERY) -> None:
        self.stream, self.every = stream, every
        self.state = State()
        self.last = time.monotonic()

    def on_plan(self, outlook: Outlook) -> None:
        """One line, where there is something to do."""
        self.state.on_plan(outlook)
        if any(outlook.todo):
            print(outlook_in_words(outlook), file=self.stream, flush=True)

    def on_run(self, event: RunEvent) -> None:
        """Starts and ends; runs that were there already are not mentioned one by one."""
        seconds = time.monotonic() - self.state.started
        self.state.on_run(event)
        if event.state == "started":
            self._say(event, "starts")
        elif event.state != "cached":
            eta = self.state.eta()
            self._say(event, outcome(event, seconds) + (f"; {self.state.left} left, all done in {eta}" if eta else ""))

    def watch(self, progress: Progress) -> None:
        """At most one line every few seconds."""
        now = time.monotonic()
        wait = max(self.every, (now - self.state.started) / 10)
        if self.state.event is not None and now - self.last >= wait:
            self._say(self.state.event, describe(progress))

    def _say(self, event: RunEvent, text: str) -> None:
        self.last = time.monotonic()
        print(f"[{event.index + 1}/{event.total}] {title(event)}: {text}", file=self.stream, flush=True)


class Panel:
    """A bar for all runs and a bar for the current one; runs that ended scroll up."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self.state = State()
        self.console = Console(file=stream)
        self.live = Live(console=self.console, get_renderable=self._render, transient=True, refresh_per_second=4)

    def __enter__(self) -> Panel:
        self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.live.stop()

    def on_plan(self, outlook: Outlook) -> None:
        """One line that scrolls up, where there is something to do."""
        self.state.on_plan(outlook)
        if any(outlook.todo):
            self.console.print(outlook_in_words(outlook), style="dim", highlight=False)

    def on_run(self, event: RunEvent) -> None:
        """Ended runs scroll up; the bars stay."""
        from rich.text import Text

        seconds = time.monotonic() - self.state.started
        self.state.on_run(event)
        if event.state not in ("cached", "started"):
            style = "red" if event.state == "failed" else "dim"
            self.console.print(Text(f"{title(event)}: {outcome(event, seconds)}", style=style))

    def watch(self, progress: Progress) -> None:
        """Shown at the next refresh."""
        self.state.progress = progress

    def _render(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        state, grid = self.state, Table.grid(padding=(0, 1))
        if state.total == 0:
            return grid
        grid.add_row(_bar(state.finished, state.total), Text(f"Runs: {state.counts()}", style="bold"))
        if state.event is not None:
            elapsed = clock(time.monotonic() - state.started)
            known = state.progress
            grid.add_row(_bar(*share(known)) if known else "", Text(f"{title(state.event)} · {elapsed}"))
            grid.add_row("", Text(describe(known) if known else "starting"))
        return grid


def _bar(done: float, total: float) -> Any:
    from rich.progress_bar import ProgressBar

    return ProgressBar(total=max(total, 1), completed=done, width=24)
