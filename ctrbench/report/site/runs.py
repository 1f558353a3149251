"""A run's page: what it was told, what it did, where it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ctrbench.bench.records import Cost, Metrics, Record
from ctrbench.bench.settings import flat
from ctrbench.report.page import Cell, Table

_UNITS = {
    "train_seconds": "seconds of training",
    "valid_seconds": "seconds of validation",
    "rows_per_s": "rows trained on per second",
    "score_rows_per_s": "rows scored per second",
    "peak_memory_mb": "peak memory (MB)",
    "epochs_run": "epochs",
    "best_epoch": "best epoch (from 1)",
}
"""Keys of a run's cost that do not say by themselves what they count."""


def metrics(record: Record) -> Table:
    """Every metric per split, domain and head; those that no head has are left out."""
    found = [
        (split, domain, head, numbers)
        for split, domains in record.metrics.items()
        for domain, heads in domains.items()
        for head, numbers in heads.items()
    ]
    names = [name for name in Metrics.model_fields if any(_plain(getattr(each[-1], name)) for each in found)]
    rows = [(*where, *(getattr(numbers, name) for name in names)) for *where, numbers in found]
    return Table("", ["split", "domain", "head", *map(_words, names)], rows)


def settings(values: Mapping[str, Any]) -> Table:
    """Settings by their dotted names, as `--set` takes them."""
    return Table("", ["setting", "value"], [(name, _text(value)) for name, value in flat(values)])


def cost(record: Record) -> Table:
    """What the run cost, as far as it is known."""
    known = {name: getattr(record.cost, name) for name in Cost.model_fields}
    known["best_epoch"] = from_one(record.cost.best_epoch)
    rows = [(_UNITS.get(name, _words(name)), _number(value)) for name, value in known.items() if _plain(value)]
    return Table("", ["cost", "value"], rows)


def from_one(epoch: int | None) -> int | None:
    """An epoch as people count them; records count from 0, and a run without one has -1, or none."""
    return None if epoch is None or epoch < 0 else epoch + 1


def provenance(record: Record) -> Table:
    """Versions, machine and times; rows; the hashes that make runs comparable."""
    rows: list[tuple[str, Cell]] = [(name, _text(value)) for name, value in flat(record.provenance)]
    rows += [
        ("run", record.id),
        ("model version", record.spec.model_version),
        ("dataset", f"{record.dataset.name}, fingerprint {record.dataset.fingerprint}"),
        ("rows of training", f"{record.rows.train:,}"),
        ("rows of validation", f"{record.rows.valid:,}"),
        *((f"test rows of {domain}", f"hash {found}") for domain, found in record.rows.test_hash.items()),
    ]
    return Table("", ["what", "value"], rows)


def _text(value: Any) -> str:
    if value is None or value == {}:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _plain(value: Any) -> bool:
    return isinstance(value, int | float)


def _words(name: str) -> str:
    return {"auc": "AUC"}.get(name, name.replace("_", " "))
