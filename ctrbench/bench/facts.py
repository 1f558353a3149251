"""What a table must know of its rows: each one's model, with every setting resolved and validated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ctrbench import registry
from ctrbench.bench.code import code_of
from ctrbench.bench.settings import Differences, Layer, flat, resolve
from ctrbench.bench.taken import check_model
from ctrbench.errors import ConfigError
from ctrbench.spelling import suggest
from ctrbench.training.config import TrainConfig

if TYPE_CHECKING:
    from ctrbench.bench.spec import TableSpec
    from ctrbench.data.store import PreparedDataset


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
    code: str | None = None
    """A hash of its class's code, where that can be read."""
    note: str = ""
    """What a table must say of it."""

    @property
    def per_domain(self) -> bool:
        """Whether a table trains one model per domain."""
        return self.category == "single_domain"


def facts_of(
    table: TableSpec,
    name: str,
    profile: str,
    overrides: Mapping[str, Differences],
    data: PreparedDataset,
    domains: tuple[str, ...],
    limit: int | None,
) -> ModelFacts:
    """A row's facts; one that is to be as large as another has the widths for it."""
    facts, variant = _model_facts(table, name, profile, overrides, data), table.variants.get(name)
    if variant is None or not variant.like:
        return facts
    from ctrbench.bench.widen import as_large

    other = _model_facts(table, variant.like, profile, overrides, data)
    where = f"{table.file.name}, [variants.{name}]"
    return as_large(facts, other, variant.widen, where, data=data, domains=domains, limit=limit)


def check_settings(
    table: TableSpec, rows: Sequence[str] | None, profile: str, overrides: Mapping[str, Differences]
) -> None:
    """Raise a `CtrbenchError` for settings that do not fit their models, which needs no data to be seen.

    `rows`: those that are asked for; None means the table's.
    """
    chosen = rows or table.profile(profile).models or table.models
    check_overrides(table, chosen, overrides)
    for row in chosen:
        _model_facts(table, row, profile, overrides)


def check_overrides(table: TableSpec, rows: Iterable[str], overrides: Mapping[str, Differences]) -> None:
    """Raise `ConfigError` for a setting of a model that is not among the rows' models."""
    known = {name for row in rows for name in (row, table.model_of(row))}
    for name in overrides:
        if name not in known:
            raise ConfigError(f"--set {name}: this table does not run the model {name!r}.{suggest(name, known)}")


def _model_facts(
    table: TableSpec,
    row: str,
    profile: str,
    overrides: Mapping[str, Differences],
    data: PreparedDataset | None = None,
) -> ModelFacts:
    """A row's facts, on data that has all columns where none is given."""
    name, note = table.model_of(row), ""
    plugin = registry.find("models", name)
    model = plugin.load()
    check_model(plugin, model)
    layers = [(f"the class of model {name!r}", Differences(train=dict(model.train_defaults)))]
    layers += [*_layers(table, name, profile), *_asked(overrides, name)]
    if row in table.variants:
        variant = table.variants[row]
        if data is not None and (absent := [column for column in variant.columns if not data.has_column(column)]):
            note = f"{variant.title or row}: the data have no {', '.join(absent)}; it has {_words(variant.elsewhere)}."
            variant = variant.model_copy(update={"config": variant.elsewhere})
        layers += [(f"{table.file.name}, [variants.{row}]", variant), *_layers(table, row, profile)[1:]]
        layers += _asked(overrides, row)
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
        code=code_of(model),
        note=note,
    )


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in flat(settings))


def _asked(overrides: Mapping[str, Differences], name: str) -> list[tuple[str, Differences]]:
    return [(f"--set {name}", overrides[name])] if name in overrides else []


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
