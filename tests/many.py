"""Starts several processes on this machine's CPUs, as a launcher would."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def start(
    count: int, *words: str, each: Sequence[Sequence[str]] | None = None, **environment: str
) -> list[subprocess.Popen]:
    """`python WORDS` as processes 0 to `count` - 1 of one team; `each` has more words for each of them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {
        **os.environ,
        "ACCELERATE_USE_CPU": "true",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "OMP_NUM_THREADS": "1",
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        **environment,
    }
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    return [
        subprocess.Popen(
            [sys.executable, *words, *more], env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)}, **pipes
        )
        for rank, more in enumerate(each or [()] * count)
    ]


def run(count: int, *words: str, **environment: str) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of each process."""
    started = start(count, *words, **environment)
    try:
        ended = [process.communicate(timeout=300) for process in started]
    finally:
        for process in started:
            process.kill()
    return [(process.returncode, *texts) for process, texts in zip(started, ended, strict=True)]
