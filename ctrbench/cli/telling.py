"""Runs and their progress in words: what the live view and the plain lines both say."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from ctrbench.report.grid import count

if TYPE_CHECKING:
    from ctrbench.bench.records import Record
    from ctrbench.bench.run import Outlook, RunEvent
    from ctrbench.bench.spec import RunSpec
    from ctrbench.training.watch import Progress

STAGES = {
    "features": "preparing features",
    "states": "computing hidden states",
    "train": "training",
    "score": "scoring",
}


class State:
    """How many runs are done, failed and left, and the current one's latest progress."""

    def __init__(self) -> None:
        self.total = self.cached = self.done = self.failed = 0
        self.event: RunEvent | None = None
        self.progress: Progress | None = None
        self.started = time.monotonic()
        self.left_seconds = LeftSeconds()

    def on_plan(self, outlook: Outlook) -> None:
        """What is before the command."""
        self.left_seconds = LeftSeconds.of(outlook)

    def on_run(self, event: RunEvent) -> None:
        """Count the event; a start makes its run the current one."""
        self.total = event.total
        self.cached += event.state == "cached"
        self.done += event.state in ("done", "taken")
        self.failed += event.state == "failed"
        starts = event.state == "started"
        self.event = event if starts else None
        self.left_seconds.on_run(event)
        self.progress = None
        if starts:
            self.started = time.monotonic()

    @property
    def finished(self) -> int:
        """Runs that ended, one way or another, and those that were there before."""
        return self.cached + self.done + self.failed

    @property
    def left(self) -> int:
        """Runs that have not begun."""
        return self.total - self.finished - (self.event is not None)

    def counts(self) -> str:
        """`2 done · 1 running · 3 left`."""
        parts = [f"{self.cached + self.done} done" + (f" ({self.cached} before)" if self.cached else "")]
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += ["1 running"] if self.event else []
        parts += [f"{self.left} left", *([f"all done in {eta}"] if (eta := self.eta()) else [])]
        return " · ".join(parts)

    def eta(self) -> str:
        """How long it takes until all runs are done, as far as runs that were done tell."""
        return self.left_seconds.told(time.monotonic() - self.started if self.event else 0.0)


@dataclass
class LeftSeconds:
    """How long the runs that are left may take: as long as others of their model, on as many domains, did."""

    left: dict[str, RunSpec] = field(default_factory=dict)
    """By id, with the run that is going on."""
    known: dict[tuple[str, int], list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, outlook: Outlook) -> LeftSeconds:
        """Before the first run; records that are there tell how long theirs took, maybe on another machine."""
        found = cls({run.spec.id: run.spec for run, todo in zip(outlook.runs, outlook.todo, strict=True) if todo})
        for record in outlook.records:
            if record is not None:
                found._learn(record)
        return found

    def on_run(self, event: RunEvent) -> None:
        """A run that ended is not left."""
        if event.state not in ("started", "held"):
            self.left.pop(event.planned.spec.id, None)
        if event.state == "done" and event.record is not None:
            self._learn(event.record)

    def told(self, running: float) -> str:
        """`about 1:05:00`, or at least so much; nothing, where nothing is known.

        `running`: seconds that the current run already took.
        """
        each = [self.known.get(_alike(spec)) for spec in self.left.values()]
        seconds = sum(fmean(found) for found in each if found) - running
        if seconds <= 0:
            return ""
        return f"{'about' if all(each) else 'at least'} {clock(seconds)}"

    def _learn(self, record: Record) -> None:
        cost = record.cost
        if record.status == "done" and cost.train_seconds:
            self.known.setdefault(_alike(record.spec), []).append(cost.train_seconds + (cost.valid_seconds or 0.0))


def _alike(spec: RunSpec) -> tuple[str, int]:
    return spec.model, len(spec.domains)


def outlook_in_words(outlook: Outlook) -> str:
    """`7 tables, 59 runs (asked for 71 times, each done once): 30 stored, 29 to do`."""
    runs, todo, asked = len(outlook.runs), sum(outlook.todo), sum(outlook.tables.values())
    tables = f"{len(outlook.tables)} tables, " if len(outlook.tables) > 1 else ""
    once = f" (asked for {asked:,} times, each done once)" if asked > runs else ""
    return f"{tables}{_number(runs, 'run')}{once}: {runs - todo:,} stored, {todo:,} to do"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def title(event: RunEvent) -> str:
    """`MODEL on DOMAIN, seed 0`; a row of a table that is a variant of a model goes by its own name."""
    spec = event.planned.spec
    return f"{event.planned.row or spec.model} on {'+'.join(spec.domains)}, seed {spec.seed}"


def describe(progress: Progress) -> str:
    """Stage, epoch, rows, loss, AUC, speed and the time left of this run, as far as they are known."""
    parts = [STAGES[progress.stage]]
    if progress.epochs:
        parts.append(f"epoch {progress.epoch}/{progress.epochs}")
    if progress.total:
        parts.append(f"{progress.done:,}/{progress.total:,} rows")
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.4f}")
    if progress.auc is not None:
        parts.append(f"AUC {progress.auc:.4f}")
    if progress.rows_per_s:
        parts += [f"{count(progress.rows_per_s)} rows/s", f"ETA {clock(eta(progress))}"]
    return " · ".join(parts)


def eta(progress: Progress) -> float:
    """Seconds left of this stage: the rest of the epoch and all later ones; early stopping may save some."""
    later = max(progress.epochs - progress.epoch, 0) * progress.total
    return (progress.total - progress.done + later) / (progress.rows_per_s or 1)


def clock(seconds: float) -> str:
    """`1:05`, `2:00:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def outcome(event: RunEvent, seconds: float) -> str:
    """How a run ended: its test AUC by domain, or its error."""
    record = event.record
    if event.state == "held":
        return "another command is at it; the others go first, and its record is taken when it is there"
    if record is None or event.state == "failed":
        error = (record and record.error) or "unknown error"
        return f"failed: {' '.join(error.split())}"
    found = {domain: heads.get("own") for domain, heads in record.metrics.get("test", {}).items()}
    shown = [f"{d} {m.auc:.4f}" for d, m in found.items() if m is not None and m.auc is not None]
    how = "done by another command" if event.state == "taken" else f"done in {clock(seconds)}"
    return how + (f"; AUC {', '.join(shown)}" if shown else "")


def share(progress: Progress) -> tuple[float, float]:
    """How far the stage is, over all its epochs."""
    epochs = max(progress.epochs, 1)
    return max(progress.epoch - 1, 0) * progress.total + progress.done, epochs * progress.total
