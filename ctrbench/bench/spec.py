"""What is to be run: one run (`RunSpec`), and one table of the paper (`TableSpec`, read from TOML).

Nothing here imports torch.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from ctrbench.bench import catalog
from ctrbench.bench.settings import Differences, merge
from ctrbench.errors import ConfigError
from ctrbench.registry import suggest
from ctrbench.training.config import TrainConfig
from ctrbench.validation import explain

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

    @property
    def id(self) -> str:
        """16 hex digits over everything that decides the result: it changes when any of that does."""
        decisive = self.model_dump(mode="json")
        decisive["train"] = {key: value for key, value in self.train.items() if key not in TrainConfig.NEUTRAL}
        canonical = json.dumps(decisive, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


class ProfileSpec(BaseModel):
    """What a profile changes: the dataset, the seeds, and each model's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str | None = None
    seeds: tuple[int, ...] | None = None
    note: str = ""
    settings: dict[str, Differences] = {}


class TableSpec(BaseModel):
    """One table or figure of the paper, as data. Settings hold only differences from a class's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = Field(alias="schema")
    extends: str | None = None
    """A table in the same folder, whose domains, models, seeds, settings and profiles hold here, too."""
    title: str
    kind: Literal["main", "zero_shot"]
    domains: tuple[str, ...] = Field(min_length=1)
    """The paper's training domains."""
    targets: tuple[str, ...] = ()
    """The paper's unseen domains (zero-shot tables only)."""
    models: tuple[str, ...] = Field(min_length=1)
    reference: str
    """The model that RelaImpr compares with."""
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    notes: tuple[str, ...] = ()
    published: dict[str, dict[str, Annotated[float, Field(gt=0, lt=1)]]] = {}
    """The paper's AUC by model and domain, also of models that the table does not run."""
    settings: dict[str, Differences] = {}
    profiles: dict[Profile, ProfileSpec] = {}
    _file: Path = PrivateAttr(default=Path("table.toml"))

    @classmethod
    def read(cls, file: Path) -> Self:
        """A spec from its file; `ConfigError` names the file and the faulty key."""
        raw = _inherit(catalog.read_toml(file), file)
        try:
            spec = cls.model_validate(raw)
        except ValidationError as error:
            raise ConfigError(explain(error, cls, file.name)) from None
        spec._file = file
        return spec

    @classmethod
    def find(cls, name: str) -> Self:
        """A registered table by name, or any by the path of its .toml file."""
        return cls.read(catalog.locate(name))

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
        if (self.kind == "zero_shot") != bool(self.targets):
            raise ValueError("`targets` belongs to kind = 'zero_shot', and only there")
        if both := set(self.targets) & set(self.domains):
            raise ValueError(f"{sorted(both)[0]!r} is both a training domain and a target")
        for where, settings in self._all_settings():
            for model in settings:
                if model not in self.models:
                    raise ValueError(f"[{where}.{model}] is not among models.{suggest(model, self.models)}")
        return self

    def _all_settings(self) -> list[tuple[str, dict[str, Differences]]]:
        per_profile = [(f"profiles.{name}.settings", spec.settings) for name, spec in self.profiles.items()]
        return [("settings", self.settings), *per_profile]


INHERITED = ("domains", "models", "reference", "seeds", "settings", "profiles")


def _inherit(raw: dict[str, Any], file: Path) -> dict[str, Any]:
    """The keys that a spec takes over from the one it extends, under its own."""
    base = raw.get("extends")
    if not isinstance(base, str):
        return raw
    sibling = file.with_name(f"{base}.toml")
    if not sibling.is_file():
        raise ConfigError(f"{file.name} extends {base!r}, but there is no {sibling}")
    below = catalog.read_toml(sibling)
    return merge({key: below[key] for key in INHERITED if key in below}, raw)
