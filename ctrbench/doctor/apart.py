"""Work that may block or die, done in other processes: see `worker`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Self

from ctrbench.doctor import TIMEOUT

START = 300.0
"""Seconds until the first job begins: torch from a cold disk."""
FORK = sys.platform == "linux"
"""Whether each job has a process of its own: not where there are no forks, or where libraries do not bear them."""

# The path is handed over before anything of ctrbench is imported, so that the process finds what this one finds.
_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from ctrbench.doctor.worker import main; main()"

Job = tuple[Any, ...]
"""See `worker`."""


def answers(jobs: Sequence[Job], timeout: float = TIMEOUT, preload: bool = True) -> Iterator[dict[str, Any]]:
    """What each job found, in order, or `{"fault": …}` where it blocked or died; then the others go on without it.

    Each may take `timeout` seconds; with `preload`, what plugins share is imported before, once for all.
    """
    left = list(jobs)
    while left:
        with _Worker(left, preload) as worker:
            if worker.line(START) is None:
                if not preload:
                    yield from ({"fault": f"{sys.executable} cannot be started for it ({worker.fault})"} for _ in left)
                    return
                preload = False  # something that plugins share is broken; each will tell
                continue
            while left and not worker.over:
                yield worker.answer(timeout)
                left.pop(0)


class _Worker:
    """One process, and what it says."""

    def __init__(self, jobs: Sequence[Job], preload: bool) -> None:
        self.over, self.fault = False, ""
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        command = [sys.executable, "-P", "-c", _PROGRAM, json.dumps(sys.path)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            start_new_session=True,  # so that all that it starts can be ended, too
        )
        given = json.dumps({"jobs": jobs, "preload": preload, "fork": FORK})
        threading.Thread(target=self._talk, args=(given,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Whatever it started goes with it."""
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()

    def answer(self, timeout: float) -> dict[str, Any]:
        """Of the next job. A process that is too late, or gone, is `over`."""
        found: dict[str, Any] | None = None
        while (line := self.line(timeout, "; --timeout gives it more")) is not None:
            if "ended" in line:
                return {"fault": _ended(line["ended"])} if found is None else found
            found = line
        self.over = True
        return {"fault": self.fault} if found is None else found

    def line(self, timeout: float, advice: str = "") -> dict[str, Any] | None:
        """What it says next; None where nothing comes in time, or nothing ever will, for which `fault` has words."""
        try:
            line = self._lines.get(timeout=timeout)
        except Empty:
            self.fault = f"it takes longer than {timeout:g} s{advice}"
            return None
        if line is None:
            self.fault = _ended(self._process.wait())
            return None
        return dict(json.loads(line))

    def _talk(self, given: str) -> None:
        """Hand over the jobs, then listen until nothing more can come."""
        assert self._process.stdin
        assert self._process.stdout
        with suppress(OSError), self._process.stdin as stream:  # else it is gone, as its silence will tell
            stream.write(given)
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)


def _ended(code: int) -> str:
    """In words. A process that a signal ended has minus its number."""
    if code >= 0:
        return f"it ends Python with exit code {code}"
    try:
        return f"Python dies of it: {signal.Signals(-code).name}"
    except ValueError:
        return f"Python dies of it: signal {-code}"
