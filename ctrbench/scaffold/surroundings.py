"""What of the installed plugins a new one is tried with: looked up, as no plugin is named in this package."""

from __future__ import annotations

from dataclasses import dataclass

from ctrbench import registry
from ctrbench.bench import catalog
from ctrbench.bench.spec import TableSpec
from ctrbench.errors import CtrbenchError, PluginError

_PROFILE = "demo"


@dataclass(frozen=True)
class Surroundings:
    """A table that shows new models and datasets, and what it runs where it takes minutes."""

    table: str
    domains: tuple[str, ...]
    dataset: str
    models: tuple[str, ...]
    """Its first rows, none of which reads text."""
    text_model: str
    """A row with a backbone."""
    backbone: str
    """That backbone."""


def surroundings() -> Surroundings:
    """The main table with the most models, and what there is in its profile for small machines."""
    spec = max(filter(_suits, _main_tables()), key=lambda table: len(table.models), default=None)
    if spec is None:
        raise PluginError("no main table with a language model is installed, to try a plugin in; reinstall ctrbench")
    dataset = spec.profile(_PROFILE).dataset
    assert dataset is not None
    (text_model, backbone), *_ = _backbones(spec).items()
    models = [name for name in spec.models if name not in _backbones(spec)]
    return Surroundings(spec.name, spec.domains, dataset, tuple(models[:2]), text_model, backbone)


def random_backbone() -> str:
    """The first backbone with random weights, which is small, needs no download, and is enough for tests."""
    from ctrbench.backbones.files import resolve_backbone

    for name in registry.names("backbones"):
        try:
            if resolve_backbone(name).random:
                return name
        except Exception:  # whatever is wrong with one plugin, another will do
            continue
    raise PluginError("no backbone with random weights is installed, to test a model with; reinstall ctrbench")


def _main_tables() -> list[TableSpec]:
    found = []
    for name in catalog.of_kind("main"):
        try:
            found.append(TableSpec.find(name))
        except CtrbenchError:  # another table will do
            continue
    return found


def _suits(table: TableSpec) -> bool:
    """Whether its rows are models as they are registered, with a dataset and a backbone for small machines."""
    return not table.variants and table.profile(_PROFILE).dataset is not None and bool(_backbones(table))


def _backbones(table: TableSpec) -> dict[str, str]:
    """Each row that has a backbone in the profile for small machines, and that backbone."""
    settings = table.profile(_PROFILE).settings
    return {row: str(its.config["backbone"]) for row, its in settings.items() if "backbone" in its.config}
