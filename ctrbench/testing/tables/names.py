"""What tables promise of models, datasets and domains."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from ctrbench import registry
from ctrbench.bench.plan import plan
from ctrbench.bench.spec import AUC_KINDS, PROFILES, TableSpec
from ctrbench.data.resolve import load_source, open_dataset, sort_options
from ctrbench.data.store import PreparedDataset
from ctrbench.errors import CtrbenchError
from ctrbench.spelling import suggest
from ctrbench.testing.promises import promise
from ctrbench.testing.tables.subject import TableSubject, cache_of_its_own
from ctrbench.testing.toy import toy_manifest


class NamePromises(TableSubject):
    """What tables promise of models, datasets and domains."""

    @promise("name models and datasets as `ctrbench list` shows them; declare a package that brings them as required.")
    def test_models_and_datasets_are_registered(self) -> None:
        """Every model of a table, and every dataset of its profiles, is registered."""
        models, datasets = registry.names("models"), registry.names("datasets")
        faults = []
        for spec in self._specs():
            rows = {spec.model_of(row) for row in _rows(spec)}
            faults += [f"{spec.name}: {_unknown('model', name, models)}" for name in sorted(rows - set(models))]
            used = {profile.dataset for profile in spec.profiles.values() if profile.dataset is not None}
            faults += [f"{spec.name}: {_unknown('dataset', name, datasets)}" for name in sorted(used - set(datasets))]
        assert not faults, "; ".join(faults)

    @promise("set keys of the model's `Config`, or of training, to values that they take.")
    def test_settings_bind_in_every_profile(self) -> None:
        """In every profile, the settings of every row are such that its model can be built with them."""
        faults = []
        for spec in self._specs():
            for profile, alone in product(PROFILES, _alone(spec)):
                try:
                    plan(alone, _data(spec), profile=profile, models=_rows(spec) or None)
                except CtrbenchError as fault:
                    faults.append(f"{spec.name}, profile {profile}: {fault}")
            faults += _unknown_widths(spec)
        assert not faults, "; ".join(dict.fromkeys(faults))

    @promise("name domains as `ctrbench data describe` shows them, and options that the dataset or a preparation has.")
    def test_domains_are_those_of_the_datasets(self) -> None:
        """The domains and targets of a table are domains of each profile's dataset, where these can be told."""
        with cache_of_its_own():  # one for all, so that each dataset is prepared once
            faults = [fault for spec in self._specs() for profile in spec.profiles for fault in _strays(spec, profile)]
        assert not faults, "; ".join(faults)

    @promise("let `reference` be a row, and publish numbers of the table's own domains and targets.")
    def test_published_numbers_have_a_place(self) -> None:
        """Rows are compared with a row of the table, and published AUCs are of domains that it has a column for."""
        faults = []
        for spec in self._specs():
            if spec.reference and spec.reference not in _rows(spec):
                faults.append(f"{spec.name}: {_unknown('row', spec.reference, _rows(spec))}")
            columns = {*spec.domains, *spec.targets}
            for row, numbers in spec.published.items() if spec.kind in AUC_KINDS else ():
                odd = sorted(set(numbers) - columns)
                faults += [f"{spec.name}, published.{row}: {_unknown('domain', name, columns)}" for name in odd]
        assert not faults, "; ".join(faults)


def _rows(spec: TableSpec) -> list[str]:
    """All rows that there are in some profile, or on demand."""
    every = [*spec.models, *spec.variants, *(row for profile in spec.profiles.values() for row in profile.models or ())]
    return list(dict.fromkeys(every))


def _alone(spec: TableSpec) -> Iterator[TableSpec]:
    """The table, without what depends on data: as it is where these have all columns, and where they have none.

    No variant is made as large as another row, for which data would be needed.
    """
    fixed: dict[str, Any] = {"like": "", "widen": (), "columns": (), "elsewhere": {}}
    for lacking in (False, True):
        found = {}
        for row, variant in spec.variants.items():
            config = variant.elsewhere if lacking and variant.columns else variant.config
            found[row] = variant.model_copy(update={**fixed, "config": config})
        yield spec.model_copy(update={"variants": found})


def _unknown_widths(spec: TableSpec) -> Iterator[str]:
    for row, variant in spec.variants.items():
        if variant.model in registry.names("models"):
            known = registry.load("models", variant.model).Config.model_fields
            for name in sorted(set(variant.widen) - set(known)):
                yield f"{spec.name}, variants.{row}.widen: {_unknown('setting', name, known)}"


def _data(spec: TableSpec) -> PreparedDataset:
    """What a plan asks of a dataset with the table's domains."""
    return PreparedDataset(
        Path("nowhere"), toy_manifest(domains={name: name for name in (*spec.domains, *spec.targets)})
    )


def _strays(spec: TableSpec, profile: str) -> list[str]:
    """What is wrong with the domains of a table in this profile."""
    try:
        known = _domains(spec, profile)
    except CtrbenchError as fault:
        return [f"{spec.name}, profile {profile}: {fault}"]
    odd = [domain for domain in (*spec.domains, *spec.targets) if known and domain not in known]
    return [f"{spec.name}, profile {profile}: {_unknown('domain', name, known)}" for name in odd]


def _domains(spec: TableSpec, profile: str) -> tuple[str, ...] | None:
    """The domains of a profile's dataset; None where they cannot be told without files of the user's."""
    chosen = spec.profile(profile)
    options = {**spec.options, **chosen.options}
    if chosen.dataset not in registry.names("datasets"):
        return None
    kind = registry.load("datasets", chosen.dataset)
    preparation, own = sort_options(options, kind.Options.model_fields)
    source = load_source(chosen.dataset, own)
    if preparation.domain_by is not None:
        return None
    if (declared := source.domains()) is not None:
        return declared
    if not source.automatic or source.remote_files():
        return None
    return open_dataset(chosen.dataset, options=options).domains


def _unknown(kind: str, name: str, known: object) -> str:
    return f"there is no {kind} {name!r}.{suggest(name, known)}"  # type: ignore[arg-type]
