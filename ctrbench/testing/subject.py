"""What the promises of a model are tested on: the model, and toy rows as it sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from unittest.mock import patch

import polars as pl
import torch
from torch import Tensor

from ctrbench.bench.taken import config_fault
from ctrbench.data.source import Field
from ctrbench.errors import PluginError
from ctrbench.features.batch import Batch
from ctrbench.features.featurizer import FeatureInfo, Featurizer
from ctrbench.features.loader import Rows
from ctrbench.models.contract import CTRModel
from ctrbench.testing import batches, checks
from ctrbench.testing.promises import Kit, configured
from ctrbench.testing.toy import DOMAINS, FIELDS, toy_items, toy_manifest, toy_rows

COUNT = 48
"""Rows of the usual batch."""
_LIKED = pl.col("history").list.slice(1).alias("liked")
"""Another history, shorter than the first."""


class Subject(Kit):
    """A model of some sizes, built on toy data; `ModelTests` derives from it."""

    _group = "models"
    _names_it = "model"
    _example = "MyModel"
    model: ClassVar[type[CTRModel] | str]
    """The class, or the name under which it is registered."""
    config: ClassVar[Mapping[str, Any]] = {}
    """Differences from the model's `Config`; small sizes keep the tests quick."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if isinstance(getattr(cls, "model", None), type):  # a registered model is imported by its tests only
            cls._settings()

    @classmethod
    def _kind(cls) -> type[CTRModel]:
        """The model's class."""
        kind: type[CTRModel] = cls._target()
        return kind

    @classmethod
    def _settings(cls) -> Any:
        """Its configuration; `PluginError` where `config` is not one of this model, or its `Config` is none."""
        kind = cls._kind()
        if fault := config_fault(kind):
            raise PluginError(f"{kind.__name__} {fault}")
        return configured(kind.Config, cls.config, f"{cls.__name__}.config, for {kind.__name__}")

    @classmethod
    def _load(cls) -> Any:
        """Its configuration: where there is one, the model was imported, too."""
        return cls._settings()

    @classmethod
    @cache
    def _featurizer(cls) -> Featurizer:
        """Its view of the toy rows, fitted."""
        return fitted(cls._kind(), cls._settings(), FIELDS)

    @classmethod
    @cache
    def _rows(cls) -> Rows:
        """New rows of three domains."""
        return view(cls._featurizer(), new_rows(), toy_items())

    @classmethod
    def batch(cls, count: int = COUNT) -> Batch:
        """The first of these rows, as a batch that a test may spoil."""
        return cls._rows().batch(torch.arange(count))

    @classmethod
    def build(cls, domains: Sequence[str] = DOMAINS, seed: int = 0, info: FeatureInfo | None = None) -> CTRModel:
        """A new model with the weights of a seed."""
        kind, settings, info = cls._kind(), cls._settings(), info or cls._featurizer().info
        with checks.seeded(seed):
            return kind(settings, info, tuple(domains))

    @classmethod
    @cache
    def _trained(cls, domains: tuple[str, ...]) -> dict[str, Tensor]:
        model = cls.build(domains)
        checks.enliven(model)
        checks.learn(model, batches.of_domains(cls.batch(), *domains))
        return checks.copied_state(model)

    @classmethod
    def trained(cls, domains: tuple[str, ...] = DOMAINS) -> CTRModel:
        """A model whose every part shows in its logits, in eval mode.

        Embeddings start near zero, where all that is computed from them, be it right or wrong, is near zero, too.
        """
        model = cls.build(domains)
        model.load_state_dict(cls._trained(domains))
        return model.eval()


def fitted(kind: type[CTRModel], settings: Any, fields: Sequence[Field]) -> Featurizer:
    """The model's featurizer, fitted on toy rows with these fields."""
    rows = toy_rows(300).with_columns(_LIKED)
    return kind.featurizer(settings).fit(rows.lazy(), toy_items(), toy_manifest(fields=list(fields)))


def new_rows() -> pl.DataFrame:
    """Rows that train does not hold."""
    return toy_rows(COUNT, first=10_000, seed=7).with_columns(_LIKED)


def other_fields() -> list[list[Field]]:
    """The toy fields without some kinds; user, item and history alone; the item alone; and with two histories."""
    lacks = (("history",), ("number",), ("history", "number"))
    kinds = [[field for field in FIELDS if field.kind not in lack] for lack in lacks]
    few = [[field for field in FIELDS if field.name in names] for names in (("user", "item", "history"), ("item",))]
    return [*kinds, *few, [*FIELDS, Field(name="liked", kind="history", of="user")]]


def view(featurizer: Featurizer, rows: pl.DataFrame, items: pl.DataFrame) -> Rows:
    """Featurised rows, without what an earlier call left in the cache."""
    with TemporaryDirectory() as folder, patch.dict("os.environ", CTRBENCH_CACHE=folder):
        return Rows.build(rows, items, featurizer, DOMAINS)
