"""Ctrl-C between two steps instead of within one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """True once the user, or a launcher, asked to stop."""

    def __init__(self) -> None:
        self.signals: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self.signals)


@contextmanager
def deferred_interrupt() -> Iterator[StopRequest]:
    """Within it, SIGINT or SIGTERM only sets the yielded flag; the same signal once more interrupts at once.

    Launchers send SIGTERM after SIGINT: the two are one request. Outside the main thread, where signals cannot be
    handled, the flag never rises.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(number: int, frame: FrameType | None) -> None:
        if number in request.signals:
            raise KeyboardInterrupt
        request.signals.add(number)

    with requests_to_stop(note):
        yield request


@contextmanager
def requests_to_stop(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Within it, `handler` hears of SIGINT and SIGTERM; main thread only."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
