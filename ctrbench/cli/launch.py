"""Several processes of one command on this machine: started, watched and ended together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from ctrbench.errors import ConfigError
from ctrbench.training.interrupt import requests_to_stop
from ctrbench.training.launched import CHILD, LOST, wants_cpu

_PATIENCE, _POLITE, _BRIEF = 30.0, 10.0, 5.0
"""Seconds that the other processes have to end when one failed; when one was killed, or they were asked to; when one
ended because the user asked."""
_INTERRUPTED = 130


def launch(words: Sequence[str], count: int) -> int:
    """Run `ctrbench WORDS` in `count` processes that train together; the exit code of them all.

    What one process says, no other repeats. SIGINT and SIGTERM are passed on. A process that is killed ends all: one
    sentence on stderr, exit code 1. Where this process is killed, the others save and end. A second signal ends all at
    once; `KeyboardInterrupt` where the processes ended before they could say that they were interrupted.
    """
    _check_devices(count)
    children: list[subprocess.Popen[bytes]] = []
    with _passed_on(children) as passed:
        try:
            _start(words, count, children, passed)
            codes = _wait(children, passed)
        finally:
            _end(children, passed)
    if passed and (any(codes) or None in codes):
        if codes[0] != _INTERRUPTED:  # the main process has not said so itself
            raise KeyboardInterrupt
        return _INTERRUPTED
    code, sentence = _verdict([code or 0 for code in codes])
    if sentence:
        print(f"ctrbench: {sentence}. The same command goes on from the last checkpoint", file=sys.stderr)
    return code


def _start(words: Sequence[str], count: int, children: list[subprocess.Popen[bytes]], passed: Sequence[int]) -> None:
    environment = _environment(count)
    command = [sys.executable, "-m", "ctrbench", *words, "--processes", "1"]
    for rank in range(count):
        if not passed:
            child = subprocess.Popen(
                command,
                env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdin=subprocess.PIPE,  # its end tells a child that this process is gone
                start_new_session=True,  # so that a terminal's Ctrl-C reaches them once, through here
            )
            children.append(child)
    if passed:  # one that was just being started may not know
        raise KeyboardInterrupt


def follow() -> None:
    """In a process that `launch` started: end where that one is gone."""

    def watch() -> None:
        while os.read(0, 1):  # nothing comes; it ends with the one that would write
            pass
        os.kill(os.getpid(), signal.SIGTERM)  # between two steps: save, and end
        time.sleep(_PATIENCE)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _environment(count: int) -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    threads = max(_cores() // count, 1)
    return {
        "OMP_NUM_THREADS": str(threads),
        **os.environ,
        CHILD: "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
    }


def _cores() -> int:
    """How many cores this process may use: fewer than there are in a container or a batch system's job."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_devices(count: int) -> None:
    import torch

    devices = torch.cuda.device_count()
    if devices and count > devices and not wants_cpu():
        raise ConfigError(
            f"--processes {count}: each process needs a GPU of its own, and this machine shows {devices}; "
            "set ACCELERATE_USE_CPU=true to train on CPUs"
        )


@contextmanager
def _passed_on(children: Sequence[subprocess.Popen[bytes]]) -> Iterator[list[int]]:
    """Within it, SIGINT and SIGTERM go to the children; the yielded list holds those that came."""
    passed: list[int] = []

    def tell(number: int, frame: FrameType | None) -> None:
        passed.append(number)
        for child in children:
            child.send_signal(number)

    with requests_to_stop(tell):
        yield passed


def _wait(children: Sequence[subprocess.Popen[bytes]], passed: Sequence[int]) -> list[int | None]:
    """Exit codes, once all have ended, or the rest had its time to; those of killed processes are negative.

    None is the code of a process that still runs. A second signal in `passed` ends the wait at once.
    """
    failed = None
    while True:
        codes = [child.poll() for child in children]
        if failed is None and any(codes):
            failed = time.monotonic()
        late = failed is not None and time.monotonic() - failed > _patience(codes, passed)
        if None not in codes or late or len(passed) > 1:
            return codes
        time.sleep(0.1)


def _patience(codes: Sequence[int | None], passed: Sequence[int]) -> float:
    if passed:
        return _BRIEF
    return _POLITE if min(code or 0 for code in codes) < 0 else _PATIENCE


def _end(children: Sequence[subprocess.Popen[bytes]], passed: Sequence[int]) -> None:
    """Ask what still runs to end, and then make it; without asking once a second signal came."""
    for polite in (True, False):
        running = [child for child in children if child.poll() is None]
        for child in running:
            child.terminate() if polite else child.kill()
        end = time.monotonic() + _POLITE
        while any(child.poll() is None for child in running) and time.monotonic() < end:
            if polite and len(passed) > 1:
                break
            time.sleep(0.1)


def _verdict(codes: Sequence[int]) -> tuple[int, str]:
    """The exit code for these; and what nobody has said yet."""
    for rank, code in enumerate(codes):
        if code < 0:
            hint = ", often the system's answer to a lack of memory" if -code == signal.SIGKILL else ""
            return 1, f"process {rank} of {len(codes)} was killed ({signal.Signals(-code).name}{hint})"
    told = [code for code in codes if code not in (0, LOST)]
    lost = LOST in codes and not told
    return (1, "the processes lost contact with each other") if lost else (max(told, default=0), "")
