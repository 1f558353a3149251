"""Runs, told to experiment trackers: settings, learning curve, metrics and cost, from records.

A tracker hears of runs beside whoever watches them. It never stands in a training's way: what fails in it is a warning.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ctrbench.bench.records import Record
from ctrbench.errors import ConfigError, in_words
from ctrbench.spelling import suggest

if TYPE_CHECKING:
    from ctrbench.bench.run import OnRun, RunEvent

_log = logging.getLogger(__name__)


class Tracker(Protocol):
    """One place where runs are kept beside their records."""

    def has(self, record: Record) -> bool:
        """Whether this record is there already, from an earlier command."""

    def add(self, record: Record) -> None:
        """Keep a run that ended, well or not; in place of what is there of it."""

    def close(self) -> None:
        """Everything is written."""


KINDS = {
    "tensorboard": ("ctrbench.bench.track_tensorboard:TensorBoard", ("tensorboard",)),
    "mlflow": ("ctrbench.bench.track_mlflow:MLflow", ("mlflow", "sqlalchemy", "alembic")),
}
"""Each tracker's class, which is given its folder, and the packages that it needs; its extra is called as itself."""


def check(names: Sequence[str]) -> None:
    """Raise `ConfigError` for an unknown tracker, or one whose package is not installed. Imports none of them."""
    for name in names:
        if name not in KINDS:
            raise ConfigError(f"--tracker {name}: there is no such tracker.{suggest(name, KINDS)}")
        if any(find_spec(package) is None for package in KINDS[name][1]):
            raise ConfigError(f"--tracker {name} needs a package: pip install 'ctrbench[{name}]'")


@contextmanager
def tracking(names: Sequence[str], results: Path, on_run: OnRun) -> Iterator[OnRun]:
    """`on_run`, and after it the trackers, which write under `<results>/trackers/<name>`."""
    check(names)
    trackers: dict[str, Tracker] = {}
    for name in dict.fromkeys(names):
        module, _, kind = KINDS[name][0].partition(":")
        with _never_in_the_way(name, trackers):
            trackers[name] = getattr(import_module(module), kind)(results / "trackers" / name)

    def tell(event: RunEvent) -> None:
        on_run(event)
        if event.record is not None:
            for name, tracker in list(trackers.items()):
                with _never_in_the_way(name, trackers):
                    if event.state not in ("cached", "taken") or not tracker.has(event.record):
                        tracker.add(event.record)

    try:
        yield tell
    finally:
        for name, tracker in list(trackers.items()):
            with _never_in_the_way(name, trackers):
                tracker.close()


@contextmanager
def _never_in_the_way(name: str, trackers: dict[str, Tracker]) -> Iterator[None]:
    """What fails inside is a warning, and the end of that tracker in this command."""
    try:
        yield
    except Exception as error:
        _log.warning("the tracker %s failed, and is told no more: %s", name, in_words(error))
        if (tracker := trackers.pop(name, None)) is not None:
            with suppress(Exception):
                tracker.close()


def title(record: Record) -> str:
    """A run's name in a list of runs: `MODEL on DOMAIN, seed 0`."""
    return f"{record.spec.model} on {'+'.join(record.spec.domains)}, seed {record.spec.seed}"


def settings(record: Record) -> dict[str, str | int | float | bool]:
    """All that decides a run, flat: `config.KEY`, `train.KEY`, domains, seed, dataset."""
    spec = record.spec
    more = {"limit": spec.limit, "base": spec.base.id if spec.base is not None else None}
    facts: dict[str, Any] = {
        "model": spec.model,
        "model_version": spec.model_version,
        "dataset": record.dataset.name,
        "fingerprint": spec.dataset,
        "domains": ", ".join(spec.domains),
        "seed": spec.seed,
        **{name: value for name, value in more.items() if value is not None},
        **dict(_flat({"config": spec.config, "train": spec.train}, ".")),
    }
    return {name: value if isinstance(value, str | int | float) else json.dumps(value) for name, value in facts.items()}


def curve(record: Record) -> list[tuple[int, dict[str, float]]]:
    """Of each epoch, counted from 1: training loss, validation AUC of each domain and their mean, seconds."""
    return [
        (
            epoch.epoch + 1,
            _known(
                {
                    "train/loss": epoch.loss,
                    "train/seconds": epoch.seconds,
                    "valid/auc": epoch.mean_auc,
                    **{f"valid/auc/{domain}": auc for domain, auc in epoch.valid_auc.items()},
                }
            ),
        )
        for epoch in record.history
    ]


def outcome(record: Record) -> dict[str, float]:
    """`SPLIT/DOMAIN/HEAD/auc` and the like, and `cost/NAME`; without what is unknown."""
    metrics = {
        f"{split}/{domain}/{head}/{name}": value
        for split, domains in record.metrics.items()
        for domain, heads in domains.items()
        for head, found in heads.items()
        for name, value in (("auc", found.auc), ("logloss", found.logloss))
    }
    cost = {**record.cost.model_dump(exclude={"energy_of"}), "score_us_per_row": record.cost.score_us_per_row}
    return _known({**metrics, **{f"cost/{name}": value for name, value in cost.items()}})


def _known(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if value is not None}


def _flat(values: Mapping[str, Any], mark: str, above: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as one, with names like paths."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, mark, f"{above}{key}{mark}")
        else:
            yield f"{above}{key}", value
