"""From a table and a dataset to the runs they need, every setting resolved and validated.

Imports torch through the models' classes, and nothing heavier: an all-cached table must answer at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ctrbench import registry
from ctrbench.bench.records import DatasetFacts, Target
from ctrbench.bench.settings import Differences, Layer, resolve
from ctrbench.bench.spec import RunSpec, TableSpec
from ctrbench.errors import ConfigError, PluginError
from ctrbench.registry import suggest
from ctrbench.training.config import TrainConfig

if TYPE_CHECKING:
    from ctrbench.data.store import PreparedDataset

__all__ = ["ModelFacts", "Plan", "PlannedRun", "Target", "plan"]

CATEGORIES = ("single_domain", "multi_domain", "language_model")


@dataclass(frozen=True)
class PlannedRun:
    """One training, and what is to be scored with it."""

    spec: RunSpec
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class ModelFacts:
    """What a table must know of a model's class."""

    name: str
    category: str
    version: str
    has_general_head: bool
    config: dict[str, Any]
    train: dict[str, Any]

    @property
    def per_domain(self) -> bool:
        """Whether a table trains one model per domain."""
        return self.category == "single_domain"


@dataclass(frozen=True)
class Plan:
    """The runs of a table on a dataset, and the facts its caption states."""

    table: TableSpec
    runs: tuple[PlannedRun, ...]
    profile: str
    dataset: DatasetFacts
    titles: Mapping[str, str]
    """Each domain's name as people write it."""
    domains: tuple[str, ...]
    """The training domains, in the dataset's order."""
    targets: tuple[str, ...]
    """The unseen domains of a zero-shot table."""
    models: tuple[ModelFacts, ...]
    seeds: tuple[int, ...]
    limit: int | None

    @property
    def like_the_paper(self) -> bool:
        """Whether published numbers may stand beside these: same training domains, same targets."""
        same_targets = set(self.targets) <= set(self.table.targets)
        return set(self.domains) == set(self.table.domains) and same_targets

    def runs_of(self, model: str, seed: int) -> list[PlannedRun]:
        """The runs that make up one model's row, for one seed."""
        return [run for run in self.runs if run.spec.model == model and run.spec.seed == seed]


def plan(
    table: TableSpec,
    data: PreparedDataset,
    *,
    profile: str = "demo",
    models: Sequence[str] | None = None,
    domains: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    limit: int | None = None,
    overrides: Mapping[str, Differences] | None = None,
) -> Plan:
    """All runs that `table` needs on `data`; None means what the table says.

    Settings come in layers: the class's own, `[settings.MODEL]`, `[profiles.PROFILE.settings.MODEL]`,
    `overrides`.
    Raises `ConfigError` or `PluginError` before anything is spent.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit is {limit}; it is a number of rows per domain and split, at least 1")
    unseen = _targets(table, data, targets)
    trained = _domains(table, data, domains, unseen)
    chosen = tuple(dict.fromkeys(models)) if models else table.models
    _check_overrides(overrides or {}, chosen)
    facts = tuple(_model_facts(table, name, profile, overrides or {}) for name in chosen)
    every_seed = tuple(seeds or table.profile(profile).seeds or table.seeds)
    runs = [
        _run(data, model, group, unseen, seed, limit)
        for model in facts
        for seed in every_seed
        for group in ([(d,) for d in trained] if model.per_domain else [trained])
    ]
    return Plan(
        table=table,
        runs=tuple(runs),
        profile=profile,
        dataset=DatasetFacts.of(data),
        titles=dict(data.manifest.domains),
        domains=trained,
        targets=unseen,
        models=facts,
        seeds=every_seed,
        limit=limit,
    )


def _run(
    data: PreparedDataset,
    model: ModelFacts,
    domains: tuple[str, ...],
    unseen: tuple[str, ...],
    seed: int,
    limit: int | None,
) -> PlannedRun:
    spec = RunSpec(
        model=model.name,
        model_version=model.version,
        config=model.config,
        train=model.train,
        domains=domains,
        seed=seed,
        dataset=data.fingerprint,
        limit=limit,
    )
    own = [Target("test", domain, "own") for domain in domains]
    unnamed = [(domain, head) for domain in unseen for head in zero_shot_heads(model, domains)]
    test = [Target("test", domain, head) for domain, head in unnamed]
    choice = [Target("valid", domain, head) for domain, head in unnamed]
    return PlannedRun(spec, (*own, *test, *choice))


def zero_shot_heads(model: ModelFacts, domains: tuple[str, ...]) -> list[str]:
    """The heads for a domain that has none: the general one alone, else each domain's and their mean."""
    if model.has_general_head:
        return ["general"]
    return list(domains) if model.per_domain else [*domains, "mean"]


def _model_facts(table: TableSpec, name: str, profile: str, overrides: Mapping[str, Differences]) -> ModelFacts:
    plugin = registry.find("models", name)
    model = plugin.load()
    check_contract(plugin, model)
    own = {"config": {}, "train": dict(model.train_defaults)}
    return ModelFacts(
        name=name,
        category=model.category,
        version=model.version,
        has_general_head=model.has_general_head,
        config=_resolved(model.Config, "config", own, table, name, profile, overrides),
        train=_resolved(TrainConfig, "train", own, table, name, profile, overrides),
    )


def _resolved(
    kind: type[BaseModel],
    part: str,
    own: Mapping[str, Mapping[str, Any]],
    table: TableSpec,
    name: str,
    profile: str,
    overrides: Mapping[str, Differences],
) -> dict[str, Any]:
    """One model's validated settings, as plain values."""
    nothing = Differences()
    in_table = table.settings.get(name, nothing)
    in_profile = table.profile(profile).settings.get(name, nothing)
    layers: list[Layer] = [
        (f"the class of model {name!r}", own[part]),
        (f"{table.file.name}, [settings.{name}] {part}", getattr(in_table, part)),
        (f"{table.file.name}, [profiles.{profile}.settings.{name}] {part}", getattr(in_profile, part)),
        (f"--set {name}.{part}", getattr(overrides.get(name, nothing), part)),
    ]
    return resolve(kind, layers).model_dump(mode="json")


def check_contract(plugin: registry.Plugin, model: Any) -> None:
    """A class that is no model is its plugin's fault; `PluginError` says so."""
    config = getattr(model, "Config", None)
    needed = ("version", "train_defaults", "has_general_head")
    good = isinstance(config, type) and issubclass(config, BaseModel)
    good = good and all(hasattr(model, name) for name in needed)
    if not (good and getattr(model, "category", None) in CATEGORIES):
        raise PluginError(
            f"the model plugin {plugin.name!r} of {plugin.origin} is no CTRModel: {plugin.value} needs a "
            f"`Config` and a `category` ({', '.join(CATEGORIES)})"
        )


def _check_overrides(overrides: Mapping[str, Differences], models: Iterable[str]) -> None:
    for name in overrides:
        if name not in models:
            raise ConfigError(f"--set {name}: this table does not run the model {name!r}.{suggest(name, models)}")


def _targets(table: TableSpec, data: PreparedDataset, asked: Sequence[str] | None) -> tuple[str, ...]:
    """The unseen domains, in the dataset's order."""
    if table.kind == "main":
        if asked:
            raise ConfigError(f"{table.name} trains on every domain it scores; --target is for zero-shot tables")
        return ()
    wanted = asked or table.targets
    if not asked and not set(wanted) <= set(data.domains):
        raise ConfigError(
            f"this dataset has no domain {' and '.join(wanted)}; name the unseen domain with --target "
            f"(it has {', '.join(data.domains)})"
        )
    return _ordered(wanted, data, "--target")


def _domains(
    table: TableSpec, data: PreparedDataset, asked: Sequence[str] | None, unseen: tuple[str, ...]
) -> tuple[str, ...]:
    """The training domains: those asked for, else the table's if the data has them, else all but targets."""
    if asked:
        if both := set(asked) & set(unseen):
            raise ConfigError(f"{sorted(both)[0]!r} cannot be trained on and be the unseen target, too")
        return _ordered(asked, data, "--domains")
    usual = table.domains if set(table.domains) <= set(data.domains) else data.domains
    left = [domain for domain in usual if domain not in unseen]
    if not left:
        raise ConfigError("every domain is a target, so there is none to train on; name fewer with --target")
    return _ordered(left, data, "domains")


def _ordered(wanted: Iterable[str], data: PreparedDataset, option: str) -> tuple[str, ...]:
    names = set(wanted)
    for name in sorted(names - set(data.domains)):
        raise ConfigError(f"{option}: this dataset has no domain {name!r}.{suggest(name, data.domains)}")
    return tuple(domain for domain in data.domains if domain in names)
