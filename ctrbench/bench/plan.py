"""From a table and a dataset to the runs they need, every setting resolved and validated.

Imports torch through the models' classes, and nothing heavier: an all-cached table must answer at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from ctrbench import registry
from ctrbench.bench.records import DatasetFacts, Target
from ctrbench.bench.settings import Differences, Layer, resolve
from ctrbench.bench.spec import BEYOND, Kind, RunSpec, TableSpec
from ctrbench.bench.verdicts import CATEGORIES
from ctrbench.errors import ConfigError, PluginError
from ctrbench.registry import suggest
from ctrbench.training.config import TrainConfig

if TYPE_CHECKING:
    from ctrbench.data.store import PreparedDataset

__all__ = ["ModelFacts", "Plan", "PlannedRun", "Target", "plan"]

Need = Literal["representations", "latency"]
"""What else than scores a table needs of a run."""


@dataclass(frozen=True)
class PlannedRun:
    """One training, and what is to be known of it."""

    spec: RunSpec
    targets: tuple[Target, ...]
    row: str = ""
    """The row of the table that it belongs to."""
    needs: frozenset[Need] = frozenset()


@dataclass(frozen=True)
class ModelFacts:
    """What a table must know of a row: its model's class, and its settings."""

    name: str
    """The row's."""
    model: str
    """As it is registered."""
    title: str
    category: str
    version: str
    has_general_head: bool
    adds_domains: bool
    config: dict[str, Any]
    train: dict[str, Any]
    note: str = ""
    """What a table must say of it."""

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
    """The unseen or new domains, of a table that has such."""
    models: tuple[ModelFacts, ...]
    seeds: tuple[int, ...]
    limit: int | None

    @property
    def like_the_paper(self) -> bool:
        """Whether published numbers may stand beside these: same training domains, same targets."""
        same_targets = set(self.targets) <= set(self.table.targets)
        return set(self.domains) == set(self.table.domains) and same_targets

    def runs_of(self, row: str, seed: int) -> list[PlannedRun]:
        """The runs that make up one row, for one seed."""
        return [run for run in self.runs if run.row == row and run.spec.seed == seed]


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

    Settings come in layers: the class's own, `[settings.MODEL]`, `[profiles.PROFILE.settings.MODEL]`, then for a
    variant `[variants.ROW]` and `[profiles.PROFILE.settings.ROW]`, then `overrides` for the model, and for the row.
    Raises `ConfigError` or `PluginError` before anything is spent.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit is {limit}; it is a number of rows per domain and split, at least 1")
    unseen = _targets(table, data, targets)
    trained = _domains(table, data, domains, unseen)
    chosen = tuple(dict.fromkeys(models)) if models else table.profile(profile).models or table.models
    _check_overrides(overrides or {}, {name for row in chosen for name in (row, table.model_of(row))})
    facts = tuple(_row(table, name, profile, overrides or {}, data, trained, limit) for name in chosen)
    every_seed = tuple(seeds or table.profile(profile).seeds or table.seeds)
    runs = [
        run
        for row in facts
        for seed in every_seed
        for run in _runs(table.kind, data, row, trained, unseen, seed, limit)
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


def _runs(
    kind: Kind,
    data: PreparedDataset,
    row: ModelFacts,
    trained: tuple[str, ...],
    beyond: tuple[str, ...],
    seed: int,
    limit: int | None,
) -> list[PlannedRun]:
    """The runs of one row and seed, each after those it builds on."""

    def spec(domains: tuple[str, ...], base: RunSpec | None = None) -> RunSpec:
        return RunSpec(
            model=row.model,
            model_version=row.version,
            config=row.config,
            train=row.train,
            domains=domains,
            seed=seed,
            dataset=data.fingerprint,
            limit=limit,
            base=base,
        )

    alone = [(domain,) for domain in trained]
    groups = alone if row.per_domain else [trained]
    if kind == "new_domain":
        if row.per_domain:
            return [_planned(row, spec((new,))) for new in beyond]
        if not row.adds_domains:
            return []
        base = spec(trained)
        return [_planned(row, base), *(_planned(row, spec((new,), base)) for new in beyond)]
    if kind == "abilities" and not row.per_domain and len(trained) > 1:
        groups = [trained, *alone]
    needs: dict[Kind, frozenset[Need]] = {
        "map": frozenset({"representations"}),
        "latency": frozenset({"latency"}),
    }
    unseen = beyond if kind == "zero_shot" else ()
    return [_planned(row, spec(group), unseen, needs.get(kind, frozenset())) for group in groups]


def _planned(
    row: ModelFacts, spec: RunSpec, unseen: tuple[str, ...] = (), needs: frozenset[Need] = frozenset()
) -> PlannedRun:
    own = [Target("test", domain, "own") for domain in spec.domains]
    unnamed = [(domain, head) for domain in unseen for head in zero_shot_heads(row, spec.domains)]
    test = [Target("test", domain, head) for domain, head in unnamed]
    choice = [Target("valid", domain, head) for domain, head in unnamed]
    return PlannedRun(spec, (*own, *test, *choice), row.name, needs)


def merged(runs: Iterable[PlannedRun]) -> list[PlannedRun]:
    """Each training once, in the order of first mention, with all that is to be known of it."""
    found: dict[str, PlannedRun] = {}
    for run in runs:
        old = found.setdefault(run.spec.id, run)
        targets = tuple(dict.fromkeys((*old.targets, *run.targets)))
        found[run.spec.id] = replace(old, targets=targets, needs=old.needs | run.needs)
    return list(found.values())


def zero_shot_heads(model: ModelFacts, domains: tuple[str, ...]) -> list[str]:
    """The heads for a domain that has none: the general one alone, else each domain's and their mean."""
    if model.has_general_head:
        return ["general"]
    return list(domains) if model.per_domain else [*domains, "mean"]


def _row(
    table: TableSpec,
    name: str,
    profile: str,
    overrides: Mapping[str, Differences],
    data: PreparedDataset,
    domains: tuple[str, ...],
    limit: int | None,
) -> ModelFacts:
    """A row's facts; one that is to be as large as another has the widths for it."""
    facts, variant = _model_facts(table, name, profile, overrides), table.variants.get(name)
    if variant is None or not variant.like:
        return facts
    from ctrbench.bench.widen import as_large

    other = _model_facts(table, variant.like, profile, overrides)
    where = f"{table.file.name}, [variants.{name}]"
    return as_large(facts, other, variant.widen, where, data=data, domains=domains, limit=limit)


def _model_facts(table: TableSpec, row: str, profile: str, overrides: Mapping[str, Differences]) -> ModelFacts:
    name = table.model_of(row)
    plugin = registry.find("models", name)
    model = plugin.load()
    check_contract(plugin, model)
    layers = [(f"the class of model {name!r}", Differences(train=dict(model.train_defaults)))]
    layers += _layers(table, name, profile)
    if row in table.variants:
        layers += [(f"{table.file.name}, [variants.{row}]", table.variants[row]), *_layers(table, row, profile)[1:]]
    layers += [(f"--set {key}", overrides[key]) for key in dict.fromkeys((name, row)) if key in overrides]
    return ModelFacts(
        name=row,
        model=name,
        title=(table.variants[row].title if row in table.variants else "") or row,
        category=model.category,
        version=model.version,
        has_general_head=model.has_general_head,
        adds_domains=getattr(model, "adds_domains", True),
        config=_resolved(model.Config, "config", layers),
        train=_resolved(TrainConfig, "train", layers),
    )


def _layers(table: TableSpec, name: str, profile: str) -> list[tuple[str, Differences]]:
    """What a table and its profile say of a model or variant."""
    nothing, file = Differences(), table.file.name
    return [
        (f"{file}, [settings.{name}]", table.settings.get(name, nothing)),
        (f"{file}, [profiles.{profile}.settings.{name}]", table.profile(profile).settings.get(name, nothing)),
    ]


def _resolved(kind: type[BaseModel], part: str, layers: Sequence[tuple[str, Differences]]) -> dict[str, Any]:
    """One part of a row's settings, validated, as plain values."""
    found: list[Layer] = [
        (f"{where}.{part}" if where.startswith("--set") else f"{where} {part}", getattr(layer, part))
        for where, layer in layers
    ]
    return resolve(kind, found).model_dump(mode="json")


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


def _check_overrides(overrides: Mapping[str, Differences], models: Collection[str]) -> None:
    for name in overrides:
        if name not in models:
            raise ConfigError(f"--set {name}: this table does not run the model {name!r}.{suggest(name, models)}")


def _targets(table: TableSpec, data: PreparedDataset, asked: Sequence[str] | None) -> tuple[str, ...]:
    """The unseen domains, in the dataset's order."""
    if table.kind not in BEYOND:
        if asked:
            raise ConfigError(
                f"{table.name} trains on every domain it scores; --target is for zero-shot tables and new domains"
            )
        return ()
    wanted = asked or table.targets
    if not asked and not set(wanted) <= set(data.domains):
        raise ConfigError(
            f"this dataset has no domain {' and '.join(wanted)}; name the unseen or new domain with --target "
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
