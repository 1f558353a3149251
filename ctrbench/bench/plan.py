"""From a table and a dataset to the runs they need, every setting resolved and validated.

Imports torch through the models' classes, and nothing heavier: an all-cached table must answer at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ctrbench.bench.facts import ModelFacts, check_overrides, facts_of
from ctrbench.bench.records import DatasetFacts, Target
from ctrbench.bench.settings import Differences
from ctrbench.bench.spec import Kind, RunSpec, TableSpec
from ctrbench.bench.which import choose_domains, choose_targets
from ctrbench.errors import ConfigError

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
    table: Path | None = None
    """The table's file; of several tables that share the run, the first one's."""


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
    overrides: Mapping[str, Differences] = field(default_factory=dict)
    """Settings that neither the table nor its profile has, by model or row."""
    left_out: tuple[str, ...] = ()
    """Rows that were asked for, and whose models cannot be used."""

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

    Settings come in layers: the class's own, `[settings.MODEL]`, `[profiles.PROFILE.settings.MODEL]`, `overrides` for
    the model; then for a variant `[variants.ROW]`, `[profiles.PROFILE.settings.ROW]`, `overrides` for the row. So what
    makes a variant one is not changed by what is asked of its model.
    Raises `ConfigError` or `PluginError` before anything is spent.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit is {limit}; it is a number of rows per domain and split, at least 1")
    unseen = choose_targets(table, data, targets, domains)
    trained = choose_domains(table, data, domains, unseen)
    chosen = tuple(dict.fromkeys(models)) if models else table.profile(profile).models or table.models
    check_overrides(table, chosen, overrides or {})
    facts = tuple(facts_of(table, name, profile, overrides or {}, data, trained, limit) for name in chosen)
    every_seed = tuple(seeds or table.profile(profile).seeds or table.seeds)
    runs = [
        run
        for row in facts
        for seed in every_seed
        for run in _runs(table.kind, data, row, trained, unseen, seed, limit)
    ]
    return Plan(
        table=table,
        runs=tuple(replace(run, table=table.file) for run in runs),
        profile=profile,
        dataset=DatasetFacts.of(data),
        titles=dict(data.manifest.domains),
        domains=trained,
        targets=unseen,
        models=facts,
        seeds=every_seed,
        limit=limit,
        overrides=overrides or {},
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
