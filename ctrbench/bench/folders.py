"""Where the files of a run lie. Nothing here imports torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctrbench.bench.spec import RunSpec


@dataclass(frozen=True)
class RunFolder:
    """Where one run's files lie: `<results>/<dataset>/<model>/<id>/`."""

    path: Path

    @classmethod
    def of(cls, results: Path, dataset: str, spec: RunSpec) -> RunFolder:
        """The folder of a run; `dataset` is the source's name."""
        return cls(Path(results) / slug(dataset) / slug(spec.model) / spec.id)

    def beside(self, base: RunSpec) -> RunFolder:
        """The folder of the run that this one builds on: both are of one model and dataset."""
        return RunFolder(self.path.with_name(base.id))

    @property
    def record(self) -> Path:
        """Written last: a folder without it is an unfinished run."""
        return self.path / "record.json"

    @property
    def predictions(self) -> Path:
        """One row per scored row, one column per head."""
        return self.path / "predictions.parquet"

    @property
    def model(self) -> Path:
        """The best epoch's weights."""
        return self.path / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        """What a killed training resumes from."""
        return self.path / "checkpoint.safetensors"

    @property
    def begun_on(self) -> Path:
        """Of a run with a base, until it is done: the sha256 of the base's model that its training began with."""
        return self.path / "base.sha256"

    @property
    def representations(self) -> Path:
        """What the model makes of some test rows, before and after training; see `bench.needs`."""
        return self.path / "representations.safetensors"

    @property
    def maps(self) -> Path:
        """A folder: what figures computed from the representations, to be thrown away at will."""
        return self.path / "maps"

    @property
    def latency(self) -> Path:
        """How long a batch takes to score; see `bench.needs`."""
        return self.path / "latency.json"

    @property
    def lock(self) -> Path:
        """Held by the process that is at work on this run."""
        return self.path / "lock"

    @property
    def features(self) -> Path:
        """The featurizer's state, for predictions on new rows."""
        return self.path / "features.json"


def slug(name: str) -> str:
    """A name as a folder: letters, digits, dot, dash and underscore."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "unnamed"
