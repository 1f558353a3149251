"""A dataset, three models and records that cost nothing, for tests of what lies above them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from ctrbench.bench import records
from ctrbench.bench.plan import Plan, PlannedRun, plan
from ctrbench.bench.records import Cost, Metrics, Record, RowCounts
from ctrbench.bench.spec import TableSpec
from ctrbench.installed import Entry
from ctrbench.report.findings import Findings

TITLES = {
    "fashion": "Fashion",
    "musical_instruments": "Musical Instruments",
    "gift_cards": "Gift Cards",
    "all_beauty": "All Beauty",
}
D3 = tuple(TITLES)[:3]


class FakeData:
    """What plans and tables ask of a prepared dataset."""

    def __init__(
        self, domains: dict[str, str] | None = None, fingerprint: str = "f" * 64, synthetic: bool = False
    ) -> None:
        titles = domains or TITLES
        self.path = Path("prepared")
        self.fingerprint = fingerprint
        self.domains = tuple(titles)
        self.manifest = SimpleNamespace(source="fake", synthetic=synthetic, domains=titles, options={}, doubts=[])

    def count(self, split: str, domains: Any = None, limit: int | None = None) -> int:
        return (100 if limit is None else limit) * len(domains or self.domains)

    def has_column(self, name: str) -> bool:
        return name in ("title", "brand", "price")

    def rows(self, split: str, domains: Any = None, limit: int | None = None) -> Any:
        return SimpleNamespace(height=self.count(split, domains, limit))


class _Model:
    version = "1"
    train_defaults: ClassVar[dict[str, Any]] = {}
    has_general_head = False

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        dim: int = 8
        dropout: float = 0.1


class Single(_Model):
    """One model per domain."""

    category = "single_domain"
    train_defaults: ClassVar[dict[str, Any]] = {"epochs": 7}


class Multi(_Model):
    """One model for all domains."""

    category = "multi_domain"


class Language(_Model):
    """A model with a general network."""

    category = "language_model"
    has_general_head = True


class NoModel:
    """Registered as a model, but none."""


FAKES = {"single": "tests.fakes:Single", "multi": "tests.fakes:Multi", "language": "tests.fakes:Language"}


def resolve_nothing(name: str) -> None:
    """A backbone plugin that leaves every name to others."""


def entry(group: str, name: str, value: str, distribution: str = "fakedist") -> Entry:
    """An entry point as an installed distribution would bring it."""
    return Entry(group, name, value, distribution, "1.0")


def register(monkeypatch: Any, *entries: Entry) -> None:
    """Let the registry see these entry points, and no others."""
    monkeypatch.setattr("ctrbench.registry.entries", lambda group: [one for one in entries if one.group == group])


def register_models(monkeypatch: Any, **more: str) -> None:
    """The three fake models, and more."""
    every = {**FAKES, **more}
    register(monkeypatch, *(entry("ctrbench.models", name, value) for name, value in every.items()))


def table(kind: str = "main", **changes: Any) -> TableSpec:
    """A small table over the three fake models."""
    raw: dict[str, Any] = {
        "schema": 1,
        "title": "A table",
        "kind": kind,
        "domains": list(D3),
        "models": ["single", "multi", "language"],
        "reference": "language",
    }
    if kind == "zero_shot":
        raw["targets"] = ["all_beauty"]
    return TableSpec.model_validate({**raw, **changes})


def make_plan(kind: str = "main", data: FakeData | None = None, spec: TableSpec | None = None, **options: Any) -> Plan:
    """A plan over fakes; register the models first."""
    return plan(spec or table(kind), data or FakeData(), **options)  # type: ignore[arg-type]


def make_record(run: PlannedRun, auc: dict[tuple[str, ...], float], **changes: Any) -> Record:
    """A finished run. `auc` is keyed by (domain, head) or (split, domain, head); the rest gets 0.6."""
    metrics: dict[str, dict[str, dict[str, Metrics]]] = {}
    wanted = {(t.split, t.domain, t.head) for t in run.targets}
    wanted |= {("test", domain, "oracle") for (domain, *rest) in auc if rest == ["oracle"]}
    for split, domain, head in wanted:
        value = auc.get((split, domain, head), auc.get((domain, head), 0.6))
        found = Metrics(auc=value, logloss=0.5, rows=50, positives=25)
        metrics.setdefault(split, {}).setdefault(domain, {})[head] = found
    hashes = {domain: f"hash of {domain}" for domain in metrics["test"]}
    values: dict[str, Any] = {
        "id": run.spec.id,
        "status": "done",
        "spec": run.spec,
        "dataset": records.DatasetFacts(name="fake", fingerprint=run.spec.dataset),
        "rows": RowCounts(train=100, valid=10, test_hash=hashes),
        "metrics": metrics,
        "cost": Cost(parameters=1000, parameters_trained=900, train_seconds=10.0, rows_per_s=50.0),
    }
    return Record(**{**values, **changes})


def failed_record(run: PlannedRun, error: str = "it broke") -> Record:
    """A run that failed before it was scored."""
    return make_record(run, {}, status="failed", error=error, metrics={}, rows=RowCounts(), cost=Cost())


def findings(plan: Plan, found: Sequence[Record | None], data: FakeData | None = None) -> Findings:
    """What a table is made from, without predictions."""
    return Findings(plan, found, Path("results"), data or FakeData())  # type: ignore[arg-type]


def fake_world(monkeypatch: Any, folder: Path, execute: Any = None) -> None:
    """Real tables and models, a dataset of four domains, and an executor that trains nothing, by default one whose
    runs of 13 epochs fail."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("ctrbench.data.resolve.open_dataset", lambda name, options=None, progress=None: FakeData())
    monkeypatch.setattr("ctrbench.bench.build.check", lambda spec, data: None)
    monkeypatch.setattr("ctrbench.bench.execute.execute", execute or _save_fake)


def _save_fake(planned: PlannedRun, data: FakeData, results: Path, watch: Any) -> Record:
    record = failed_record(planned) if planned.spec.train["epochs"] == 13 else make_record(planned, {})
    records.save(results, record)
    return record
