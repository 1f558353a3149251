"""What is to be run: one run (`RunSpec`), and one table of the paper (`TableSpec`, read from TOML).

Nothing here imports torch.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from ctrbench.bench import catalog
from ctrbench.bench.claims import Claim, check_names
from ctrbench.bench.extending import extended
from ctrbench.bench.leaving_out import without
from ctrbench.bench.settings import Differences
from ctrbench.errors import ConfigError
from ctrbench.spelling import suggest
from ctrbench.training.config import TrainConfig
from ctrbench.validation import explain

Kind = Literal["main", "zero_shot", "new_domain", "abilities", "dataset", "map", "latency"]
"""What a table asks of its runs, and how it is laid out:

`main`: AUC per trained domain; `zero_shot`: AUC on domains that no run has seen; `new_domain`: AUC on a domain that is
added to a trained model; `abilities`: what each kind of model can do; `dataset`: counts of the data, no runs; `map`:
representations in two dimensions; `latency`: seconds per batch.
"""
BEYOND: tuple[Kind, ...] = ("zero_shot", "new_domain")
"""The kinds that have `targets`: domains beside those that are trained on."""
AUC_KINDS: tuple[Kind, ...] = ("main", *BEYOND)
Profile = Literal["demo", "small", "paper"]
PROFILES: tuple[Profile, ...] = ("demo", "small", "paper")


class RunSpec(BaseModel):
    """Everything that decides a run's result, beside the dataset's bytes.

    `config` and `train` are fully resolved, so two ways of asking for the same run are one run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: str
    model_version: str
    config: dict[str, Any]
    train: dict[str, Any]
    domains: tuple[str, ...]
    """The domains that are trained on, in the dataset's order."""
    seed: int
    dataset: str
    """The prepared dataset's fingerprint."""
    limit: int | None = None
    """Only the latest so many rows of each domain and split."""
    base: RunSpec | None = None
    """The run whose trained model `domains` are added to, everything else of it frozen; None: trained from scratch."""

    @property
    def id(self) -> str:
        """16 hex digits over everything that decides the result: it changes when any of that does."""
        decisive = self.model_dump(mode="json")
        if self.base is None:
            del decisive["base"]
        else:
            decisive["base"] = self.base.id
        decisive["train"] = {key: value for key, value in self.train.items() if key not in TrainConfig.NEUTRAL}
        canonical = json.dumps(decisive, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


class Variant(Differences):
    """A row of a table that is a model with other settings."""

    model: str
    title: str = ""
    """The row's name as people read it."""
    like: str = ""
    """A row whose number of parameters this one is to have; see `ctrbench.bench.widen`."""
    widen: tuple[str, ...] = ()
    """Which of the model's own settings, widths of layers, are multiplied for that."""
    columns: tuple[str, ...] = ()
    """Columns of rows or items that `config` speaks of."""
    elsewhere: dict[str, Any] = Field(default_factory=dict)
    """What stands in place of `config` where the data lack one of `columns`."""

    @model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.like) != bool(self.widen):
            raise ValueError("`like` says how many parameters, `widen` which widths make them: one needs the other")
        if bool(self.columns) != bool(self.elsewhere):
            raise ValueError("`elsewhere` holds where the data lack one of `columns`: one needs the other")
        return self


class ProfileSpec(BaseModel):
    """What a profile changes: the dataset, the rows, the seeds, and each model's and variant's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str | None = None
    options: dict[str, Any] = {}
    """Of the dataset's preparation, above the table's own."""
    models: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    gpu: str | None = None
    """The GPUs that the profile is meant for, such as `V100x8`; see `ctrbench.bench.gpus`."""
    note: str = ""
    settings: dict[str, Differences] = {}


class TableSpec(BaseModel):
    """One table or figure of the paper, as data. Settings hold only differences from a class's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = Field(alias="schema")
    extends: str | None = None
    """A table in the same folder, whose domains, models, seeds, settings and profiles hold here, too."""
    title: str
    kind: Kind
    domains: tuple[str, ...] = Field(min_length=1)
    """The paper's training domains."""
    targets: tuple[str, ...] = ()
    """The paper's unseen or new domains (the kinds of `BEYOND` only)."""
    models: tuple[str, ...] = ()
    """The rows: models, and variants."""
    variants: dict[str, Variant] = {}
    """Rows that are a model with other settings, by name. One that is not among the rows is there to be asked for."""
    spaces: tuple[str, ...] = ("*",)
    """Which of a model's representations a `map` shows, as patterns such as `h_*`."""
    figure: str = ""
    """The figure that stands for the table, where it is another than its kind's first; see `report.figures`."""
    reference: str = ""
    """The row that RelaImpr and significance tests compare with."""
    options: dict[str, Any] = {}
    """Of the dataset's preparation, such as `domain_by`, where the table needs a data of its own kind."""
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    notes: tuple[str, ...] = ()
    published: dict[str, dict[str, float]] = {}
    """The paper's numbers by row and domain (AUC, where the kind says nothing else), also of rows that are not run."""
    claims: tuple[Claim, ...] = ()
    """What the paper says of these numbers; see `ctrbench.bench.claims`."""
    settings: dict[str, Differences] = {}
    profiles: dict[Profile, ProfileSpec] = {}
    _file: Path = PrivateAttr(default=Path("table.toml"))

    @classmethod
    def read(cls, file: Path, faults: list[str] | None = None) -> Self:
        """A spec from its file; `ConfigError` names the file and the faulty key.

        With a list of `faults`, an unknown key and a faulty claim are left out, and it gets a sentence for each. Where
        the rest is no table, the first fault is raised: misspelt, a key is why another one is missing.
        """
        raw = catalog.read_toml(file)
        with suppress(AttributeError, TypeError, KeyError):  # a part is no table, or no list: the validation says so
            raw = extended(raw, file)
        first = ""
        while True:
            try:
                spec = cls.model_validate(raw)
                break
            except ValidationError as error:
                sentence = explain(error, cls, file.name)
                first = first or sentence
                left = None if faults is None else without(raw, error)
                if faults is None or left is None:
                    raise ConfigError(first) from None
                raw = left[0]
                faults.append(f"{left[1]} of {file.name} is left out: {sentence}")
        spec._file = file
        return spec

    @classmethod
    def find(cls, name: str, faults: list[str] | None = None) -> Self:
        """A registered table by name, or any by the path of its .toml file; `faults` as in `read`."""
        file = catalog.locate(name)
        try:
            return cls.read(file, faults)
        except ConfigError as fault:
            plugin = catalog.plugin_of(file)
            raise ConfigError(f"{plugin.origin}: {fault}" if plugin else str(fault)) from None

    @property
    def name(self) -> str:
        """The file's name without its suffix: what one writes on the command line."""
        return self._file.stem

    @property
    def file(self) -> Path:
        """Where the spec was read."""
        return self._file

    def profile(self, name: str) -> ProfileSpec:
        """A profile's changes; a known profile that the table does not mention changes nothing."""
        if name not in PROFILES:
            raise ConfigError(f"unknown profile {name!r}.{suggest(name, PROFILES)}")
        return next((spec for key, spec in self.profiles.items() if key == name), ProfileSpec())

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key in ("domains", "targets", "models", "seeds"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                raise ValueError(f"{key} names something twice")
        if (self.kind in BEYOND) != bool(self.targets):
            raise ValueError(f"`targets` belongs to kind = {' or '.join(map(repr, BEYOND))}, and only there")
        if (self.kind == "dataset") == bool(self.models):
            raise ValueError("`models` has a table's rows; only kind = 'dataset' has none")
        if both := set(self.targets) & set(self.domains):
            raise ValueError(f"{sorted(both)[0]!r} is both a training domain and a target")
        known = {*self.models, *(self.model_of(row) for row in [*self.models, *self.variants]), *self.variants}
        for profile in self.profiles.values():
            known |= {name for row in profile.models or () for name in (row, self.model_of(row))}
        for where, settings in self._all_settings():
            for model in settings:
                if model not in known:
                    raise ValueError(f"[{where}.{model}] is not among models.{suggest(model, known)}")
        for name, variant in self.variants.items():
            if variant.like and variant.like not in known:
                raise ValueError(f"[variants.{name}] is like {variant.like!r}, no row.{suggest(variant.like, known)}")
        columns = {*self.domains, *self.targets, *(column for row in self.published.values() for column in row)}
        spaces = {name for claim in self.claims for name in claim.named() if self._maps(name)}
        check_names(self.claims, {*known, *self.published, *spaces}, columns)
        if self.kind in AUC_KINDS:
            for row, found in self.published.items():
                for domain, value in found.items():
                    if not 0 < value < 1:
                        raise ValueError(f"published.{row}.{domain} is {value}; an AUC is between 0 and 1")
        return self

    def _maps(self, space: str) -> bool:
        """Whether a map shows a space: the rows of such a table are the spaces of its models."""
        return self.kind == "map" and any(fnmatchcase(space, pattern) for pattern in self.spaces)

    def model_of(self, row: str) -> str:
        """The registered model behind a row."""
        return self.variants[row].model if row in self.variants else row

    def _all_settings(self) -> list[tuple[str, dict[str, Differences]]]:
        per_profile = [(f"profiles.{name}.settings", spec.settings) for name, spec in self.profiles.items()]
        return [("settings", self.settings), *per_profile]
