"""Records in a local MLflow store: `mlflow ui --backend-store-uri sqlite:///<results>/trackers/mlflow/mlflow.db`.

No server, and no network: MLflow's reports of how it is used are off.
"""

from __future__ import annotations

import logging
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from ctrbench.bench.records import Record
from ctrbench.bench.trackers import curve, outcome, settings, title

_TAG = "ctrbench.run"
_MOST_PARAMS, _MOST_METRICS = 100, 1000  # that MLflow takes at a time
_LONGEST = 6000  # characters of a setting


class MLflow:
    """One experiment per dataset, one run per record, known by a tag with the record's id."""

    def __init__(self, folder: Path) -> None:
        os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"})
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        from mlflow.tracking import MlflowClient

        logging.getLogger("alembic").setLevel(logging.WARNING)
        folder.mkdir(parents=True, exist_ok=True)
        self.artifacts = (folder / "artifacts").absolute().as_uri()
        self.client = MlflowClient(tracking_uri=f"sqlite:///{(folder / 'mlflow.db').absolute()}")

    def has(self, record: Record) -> bool:
        """A run that was being written when its command was killed is none."""
        return any(run.info.status != "RUNNING" for run in self._runs(record))

    def add(self, record: Record) -> None:
        """In place of what there is of the run."""
        from mlflow.entities import Metric, Param, RunTag

        for old in self._runs(record):
            self.client.delete_run(old.info.run_id)
        start, end = (_milliseconds(record.provenance.get(key)) for key in ("started", "finished"))
        run = self.client.create_run(self._experiment(record), start_time=start, run_name=title(record))
        id, now = run.info.run_id, end or run.info.start_time
        tags = {_TAG: record.id, "ctrbench.status": record.status, "ctrbench.error": record.error or ""}
        self.client.log_batch(id, tags=[RunTag(name, value) for name, value in tags.items()])
        params = [Param(_name(name), str(value)[:_LONGEST]) for name, value in settings(record).items()]
        epochs = curve(record)
        metrics = [Metric(_name(name), value, now, epoch) for epoch, some in epochs for name, value in some.items()]
        last = epochs[-1][0] if epochs else 0
        metrics += [Metric(_name(name), value, now, last) for name, value in outcome(record).items()]
        for at in range(0, len(params), _MOST_PARAMS):
            self.client.log_batch(id, params=params[at : at + _MOST_PARAMS])
        for at in range(0, len(metrics), _MOST_METRICS):
            self.client.log_batch(id, metrics=metrics[at : at + _MOST_METRICS])
        self.client.set_terminated(id, "FINISHED" if record.status == "done" else "FAILED", end_time=end)

    def close(self) -> None:
        """Every run was committed when it was added."""

    def _runs(self, record: Record) -> list[Any]:
        return list(self.client.search_runs([self._experiment(record)], f"tags.`{_TAG}` = '{record.id}'"))

    def _experiment(self, record: Record) -> str:
        name = record.dataset.name
        found = self.client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self.client.create_experiment(name, self.artifacts))


def _name(text: str) -> str:
    """With the characters only that MLflow takes in names."""
    return re.sub(r"[^\w./ -]", "_", text, flags=re.ASCII)


def _milliseconds(time: Any) -> int | None:
    return round(datetime.fromisoformat(time).timestamp() * 1000) if isinstance(time, str) else None
