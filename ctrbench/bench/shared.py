"""What the processes of one command share: records, and the folder that they are in."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ctrbench.bench import records
from ctrbench.bench.records import Record
from ctrbench.errors import OutputError

if TYPE_CHECKING:
    from ctrbench.training.processes import Team

_PATIENCE = 10.0  # seconds that a file may take to be seen on another machine
_MARK = ".seen-"
_OLD = 600.0  # seconds after which nobody waits for a mark any more, whatever the clocks of machines that share a disk


def record_of_main(team: Team, work: Callable[[], Record | None]) -> Record | None:
    """The record that `work` gives the main process, for all."""
    if team.count == 1:
        return work()

    def as_text() -> str | None:
        record = work()
        return None if record is None else record.model_dump_json(by_alias=True)

    text = team.on_main(as_text)
    return None if text is None else Record.model_validate_json(text)


def ensure_writable(folder: Path, team: Team) -> None:
    """Make a folder of results, or raise `OutputError` where it cannot be written, or another machine lacks it."""
    team.on_main(lambda: _prepare(folder))
    if team.count == 1:
        return
    mark = folder / f"{_MARK}{team.on_main(lambda: uuid.uuid4().hex)}"
    team.on_main(mark.touch)
    try:
        with team.together():
            _wait_for(mark)
    finally:
        if team.main:
            mark.unlink(missing_ok=True)


def _prepare(folder: Path) -> None:
    records.ensure_writable(folder)
    for mark in old_marks(folder):
        mark.unlink(missing_ok=True)


def old_marks(folder: Path) -> list[Path]:
    """Files by which processes looked whether they share a folder, where something killed them then."""
    found = []
    for mark in folder.glob(f"{_MARK}*"):
        with suppress(FileNotFoundError):
            if time.time() - mark.stat().st_mtime > _OLD:
                found.append(mark)
    return sorted(found)


def _wait_for(mark: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while not mark.exists():
        if time.monotonic() > end:
            raise OutputError(
                f"the results folder {mark.parent} is not that of the main process; "
                "name a folder that all machines share with --results"
            )
        time.sleep(0.1)
