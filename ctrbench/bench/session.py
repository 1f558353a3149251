"""ctrbench from Python: load a dataset, fit a model by name, score it, read the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ctrbench import registry
from ctrbench.bench import records
from ctrbench.bench.execute import execute
from ctrbench.bench.plan import PlannedRun
from ctrbench.bench.records import DatasetFacts, Metrics, Record, Target
from ctrbench.bench.settings import resolve
from ctrbench.bench.shared import record_of_main
from ctrbench.bench.spec import RunSpec
from ctrbench.bench.stored import look
from ctrbench.bench.taken import check_model
from ctrbench.data.resolve import open_dataset
from ctrbench.errors import CtrbenchError
from ctrbench.training.config import TrainConfig
from ctrbench.training.processes import team
from ctrbench.training.watch import Watch, silent

if TYPE_CHECKING:
    from ctrbench.data.store import PreparedDataset


def load_dataset(name: str | Path, **options: Any) -> PreparedDataset:
    """A prepared dataset by its folder, or by the name of a source that gets its own files.

    `options` are that source's, or the preparation's (`split="global_time"`). Raises `DataError` where there is no such
    dataset.
    """
    return open_dataset(name, options=options)


def fit(
    model: str,
    data: PreparedDataset,
    *,
    domains: Sequence[str] | None = None,
    seed: int = 0,
    config: Mapping[str, Any] | None = None,
    train: Mapping[str, Any] | None = None,
    limit: int | None = None,
    results: str | Path = "results",
    watch: Watch = silent,
) -> Run:
    """Train the model registered as `model` on `domains` (all of the dataset's by default), jointly.

    `config` and `train` are differences from the model's own defaults, which are its paper's; `limit` keeps each
    domain's latest rows. A run that `results` already holds is not trained again. Raises `CtrbenchError` where the
    settings are wrong or the training failed.
    """
    plugin = registry.find("models", model)
    kind = plugin.load()
    check_model(plugin, kind)
    chosen = tuple(d for d in data.domains if d in domains) if domains is not None else data.domains
    data.check_domains(domains or ())
    spec = RunSpec(
        model=model,
        model_version=kind.version,
        config=resolve(kind.Config, [("config", config or {})]).model_dump(mode="json"),
        train=resolve(TrainConfig, [(f"the class of {model}", kind.train_defaults), ("train", train or {})]).model_dump(
            mode="json"
        ),
        domains=chosen,
        seed=seed,
        dataset=data.fingerprint,
        limit=limit,
    )
    own = tuple(Target("test", domain, "own") for domain in chosen)
    run = Run(spec, data, Path(results), watch)
    run.need(own)
    return run


@dataclass
class Run:
    """A trained model and what is known of it; `record` holds settings, metrics, cost and provenance."""

    spec: RunSpec
    data: PreparedDataset
    results: Path
    watch: Watch = silent

    @property
    def record(self) -> Record:
        """As it is on disk."""
        record = records.load(self.results, self.data.manifest.source, self.spec)
        if record is None:
            raise CtrbenchError(f"the record of run {self.spec.id} is gone from {self.results}; fit again")
        return record

    def score(self, domain: str, head: str = "own", split: Literal["valid", "test"] = "test") -> Metrics:
        """AUC, log loss and row counts on one domain, through `own`, `general`, `mean` or a training domain's head."""
        target = Target(split, domain, head)
        metrics = self.need((target,)).metric(target)
        assert metrics is not None
        return metrics

    def need(self, targets: Sequence[Target]) -> Record:
        """Train and score what is missing; under a launcher, every process asks for the same."""
        record = record_of_main(team(), lambda: look(self.results, DatasetFacts.of(self.data), self.spec))
        if record is None or not records.complete(record, targets):
            record = execute(PlannedRun(self.spec, tuple(targets)), self.data, self.results, self.watch)
        if record.status == "failed":
            raise CtrbenchError(f"{self.spec.model} failed: {record.error}")
        return record
