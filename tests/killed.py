"""`python -m tests.killed PREPARED FOLDER`: a run is killed at each of its writes, and the next call goes on with it.

Each try is a process of its own, forked from this one, which has loaded all that takes long and started no thread. One
JSON line each on stdout.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ctrbench import files
from ctrbench.bench import stored
from ctrbench.bench.execute import execute
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.records import Target
from ctrbench.data.store import PreparedDataset
from tests.bench.test_execute import OWN, planned

MOMENTS = ("half", "after")
"""Where in a write: half of the temporary file is there, or the file has just taken its place."""
MORE = (*OWN, Target("test", "books", "mean"))


def main() -> None:
    """Kill the training run, then the scoring of one more target, at every moment of every write."""
    prepared, folder = (Path(word) for word in sys.argv[1:])
    for name, targets in (("train", OWN), ("more", MORE)):
        whole = folder / "whole"
        before = folder / f"before {name}"
        if whole.exists():
            shutil.copytree(whole, before)
        code, expected = in_child(partial(run, prepared, whole, targets))
        assert code == 0
        for moment in MOMENTS:
            number, killed = 1, True
            while killed:
                cut = folder / f"{name} {moment} {number}"
                if before.exists():
                    shutil.copytree(before, cut)
                code, _ = in_child(partial(run, prepared, cut, targets, (moment, number)))
                killed = code == -signal.SIGKILL
                if killed:
                    code, found = in_child(partial(run, prepared, cut, targets))
                    case = {"case": cut.name, "code": code, "expected": expected, "found": found}
                    print(json.dumps(case), flush=True)
                number += 1


def run(prepared: Path, results: Path, targets: tuple[Target, ...], kill: tuple[str, int] | None = None) -> Any:
    """What is there before, what the call leaves; `kill`: at which moment of which write the process ends."""
    if kill is not None:
        end_at(*kill)
    data = PreparedDataset.open(prepared)
    wanted = planned(data, "mmoe", targets, train={"epochs": 1, "batch_size": 256, "checkpoint_seconds": 0})
    folder = RunFolder.of(results, "toy", wanted.spec)
    stored.sound(folder)  # raises where what a kill left cannot be read
    record = execute(wanted, data, results)
    return {
        "files": {path.name: digest(path) for path in sorted(folder.path.iterdir()) if path.name != "record.json"},
        "metrics": record.model_dump(mode="json")["metrics"],
        "status": record.status,
    }


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def end_at(moment: str, number: int) -> None:
    """Let this process be killed at a moment of its write number so and so."""
    writes = 0
    settle, replace = files._settle, Path.replace

    def now(name: str) -> bool:
        return name == moment and writes == number

    def settled(temporary: Path) -> None:
        nonlocal writes
        writes += 1
        if now("half"):
            os.truncate(temporary, temporary.stat().st_size // 2)
            die()
        settle(temporary)

    def replaced(self: Path, target: Path) -> Path:
        done = replace(self, target)
        if now("after"):
            die()
        return done

    files._settle, Path.replace = settled, replaced  # type: ignore[method-assign]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[], Any]) -> tuple[int, Any]:
    """Exit code (minus the signal that ended it) and result of a forked process."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.write(writer, json.dumps(work()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code, json.loads(text) if text else None


if __name__ == "__main__":
    main()
