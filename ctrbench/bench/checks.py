"""Whether settings fit, and backbones can be found: looked at before anything is spent, once for all runs alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ctrbench.errors import ConfigError, CtrbenchError

if TYPE_CHECKING:
    from ctrbench.bench.plan import PlannedRun
    from ctrbench.data.store import PreparedDataset


Check = Callable[[Iterable[tuple["PlannedRun", "PreparedDataset"]]], None]
"""Raises the `CtrbenchError` of the first run that could not be trained."""


@dataclass
class Checks:
    """Looks at runs; what it has looked at before, for another table, it knows."""

    _faults: dict[str, CtrbenchError | None] = field(default_factory=dict)

    def __call__(self, runs: Iterable[tuple[PlannedRun, PreparedDataset]]) -> None:
        """Raise the `CtrbenchError` of the first run that could not be trained."""
        for run, data in runs:
            key = _decisive(run)
            if key not in self._faults:
                self._faults[key] = _fault(run, data)
            fault = self._faults[key]
            if fault is not None:
                with naming_row(run):
                    raise fault


def unchecked(runs: Iterable[tuple[PlannedRun, PreparedDataset]]) -> None:
    """In the place of `Checks`, where the process that started this one has looked."""


@contextmanager
def naming_row(run: PlannedRun) -> Iterator[None]:
    """Within, a setting that does not fit is told of the table's row, where that is none of a model's own name."""
    try:
        yield
    except ConfigError as error:
        if run.row in ("", run.spec.model):
            raise
        raise ConfigError(f"row {run.row!r}: {error} (--models runs other rows without it)") from None


def _decisive(run: PlannedRun) -> str:
    """What runs have in common that are checked alike."""
    own = run.spec.model_dump(mode="json", include={"model", "config", "train", "dataset"})
    return json.dumps([own, run.spec.base is None], sort_keys=True)


def _fault(run: PlannedRun, data: PreparedDataset) -> CtrbenchError | None:
    from ctrbench.bench import build  # imports transformers and peft for a language model

    try:
        build.check(run.spec, data)
    except CtrbenchError as fault:
        return fault
    return None
