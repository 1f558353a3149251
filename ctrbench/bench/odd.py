"""What tells stored runs of one model apart. Nothing here imports torch or polars."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrbench.bench.settings import flat

if TYPE_CHECKING:
    from ctrbench.bench.records import Record
    from ctrbench.bench.results import StoredRun


def odd_settings(runs: Iterable[StoredRun]) -> dict[Path, dict[str, Any]]:
    """By folder: how a run differs from most others of its model, and its `limit`; what no record tells is left out.

    Where two values are as frequent, both are odd.
    """
    known: dict[str, list[tuple[Path, dict[str, Any]]]] = {}
    for run in runs:
        if run.record is not None:
            known.setdefault(run.model, []).append((run.folder.path, _settings(run.record)))
    found: dict[Path, dict[str, Any]] = {}
    for alike in known.values():
        keys = dict.fromkeys(key for _, settings in alike for key in settings)
        usual = {key: _usual(settings.get(key) for _, settings in alike) for key in keys}
        for path, settings in alike:
            odd = {key: value for key, value in settings.items() if json.dumps(value) != usual[key]}
            limit = settings["limit"]
            found[path] = {**({} if limit is None else {"limit": limit}), **odd}
    return found


def _settings(record: Record) -> dict[str, Any]:
    spec = record.spec
    return {"limit": spec.limit, **dict(flat({"config": spec.config, "train": spec.train}))}


def _usual(values: Iterable[Any]) -> str | None:
    """The most frequent value as JSON; None where there are two."""
    counted = Counter(map(json.dumps, values)).most_common(2)
    return None if len(counted) > 1 and counted[0][1] == counted[1][1] else counted[0][0]
