"""Rows as ids in one shared table, standardised numbers and ragged histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from ctrbench.data.source import Field
from ctrbench.errors import DataError
from ctrbench.features.featurizer import FeatureInfo
from ctrbench.features.ragged import Ragged

if TYPE_CHECKING:
    from ctrbench.data.store import Manifest

_ITEM = "item"  # histories hold item ids and share this field's rows of the table


class IdFeaturizer:
    """`ids` (N, F) int64, `numbers` (N, K) float32, and one `Ragged` of ids for each history field.

    In every field 0 is padding and 1 an id that train did not hold. Fields share one table: padding is row 0 for
    all, and field f's index i > 0 is row `offset_f + i`. Text fields count as ids, as in the paper's baselines.
    Numbers are standardised on train; a missing one is the mean.
    """

    def __init__(self) -> None:
        self.fields: tuple[Field, ...] = ()
        self.vocabularies: dict[str, list[str]] = {}
        self.scales: dict[str, tuple[float, float]] = {}

    def fit(self, train: pl.DataFrame, items: pl.DataFrame, manifest: Manifest) -> IdFeaturizer:
        """Learn each field's ids and each number's mean and deviation from `train`."""
        self.fields = tuple(manifest.fields)
        table = _with_items(train, items, self.fields)
        self.vocabularies = {
            name: table.select(_text(name).unique().sort()).to_series().to_list() for name in self._names("id", "text")
        }
        self.scales = {name: _scale(table[name]) for name in self._names("number")}
        return self

    def __call__(self, rows: pl.DataFrame, items: pl.DataFrame) -> dict[str, Tensor | Ragged]:
        """Look `rows` up in what `fit` learned."""
        table = _with_items(rows, items, self.fields)
        out: dict[str, Tensor | Ragged] = {}
        columns = [self._lookup(table.select(_text(n)).to_series(), n) for n in self._names("id", "text")]
        out["ids"] = torch.from_numpy(np.stack(columns, axis=1)) if columns else torch.empty(len(rows), 0).long()
        numbers = [self._standardise(table[name], name) for name in self._names("number")]
        if numbers:
            out["numbers"] = torch.from_numpy(np.stack(numbers, axis=1))
        for name in self._names("history"):
            out[name] = self._history(table[name])
        return out

    @property
    def info(self) -> FeatureInfo:
        """Names and table sizes, for the model's constructor."""
        offsets = self._offsets()
        ids = self._names("id", "text")
        return FeatureInfo(
            ids=ids,
            numbers=self._names("number"),
            histories=self._names("history"),
            vocabulary=1 + sum(len(self.vocabularies[name]) + 1 for name in ids),
            unseen=tuple(offsets[name] + 1 for name in ids),
            of={field.name: field.of for field in self.fields},
        )

    def notes(self) -> tuple[str, ...]:
        """Nothing is lost in this view."""
        return ()

    def state(self) -> dict[str, Any]:
        """Fields, vocabularies and scales as JSON values."""
        return {
            "fields": [field.model_dump() for field in self.fields],
            "vocabularies": self.vocabularies,
            "scales": {name: list(scale) for name, scale in self.scales.items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> IdFeaturizer:
        """The inverse of `state`."""
        self.fields = tuple(Field(**field) for field in state["fields"])
        self.vocabularies = {name: list(values) for name, values in state["vocabularies"].items()}
        self.scales = {name: (scale[0], scale[1]) for name, scale in state["scales"].items()}
        return self

    def _names(self, *kinds: str) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields if field.kind in kinds)

    def _offsets(self) -> dict[str, int]:
        names = self._names("id", "text")
        sizes = (len(self.vocabularies[name]) + 1 for name in names)
        return dict(zip(names, accumulate(sizes, initial=0), strict=False))

    def _lookup(self, values: pl.Series, name: str) -> np.ndarray:
        """Rows of the shared table for `values`."""
        known = self.vocabularies[name]
        codes = values.replace_strict(known, range(2, len(known) + 2), default=1, return_dtype=pl.Int64)
        return codes.to_numpy() + self._offsets()[name]

    def _standardise(self, values: pl.Series, name: str) -> np.ndarray:
        mean, deviation = self.scales[name]
        scaled = (values.cast(pl.Float64).fill_nan(None).fill_null(mean) - mean) / deviation
        return scaled.to_numpy().astype(np.float32)

    def _history(self, history: pl.Series) -> Ragged:
        if _ITEM not in self.vocabularies:
            raise DataError("a history field needs an id field 'item' to share its embeddings with")
        offsets = np.concatenate([[0], history.list.len().fill_null(0).to_numpy().astype(np.int64).cumsum()])
        flat = history.filter(history.list.len() > 0).explode()
        return Ragged(torch.from_numpy(self._lookup(flat.cast(pl.String), _ITEM)), torch.from_numpy(offsets))


def _with_items(rows: pl.DataFrame, items: pl.DataFrame, fields: Sequence[Field]) -> pl.DataFrame:
    """`rows` with the item columns that `fields` name, in the same order."""
    wanted = [field.name for field in fields if field.name not in rows.columns]
    missing = [name for name in wanted if name not in items.columns]
    if missing:
        raise DataError(f"field '{missing[0]}' is a column of neither rows nor items; prepare the data again")
    return rows.join(items.select(_ITEM, *wanted), on=_ITEM, how="left", maintain_order="left")


def _text(name: str) -> pl.Expr:
    """A field's value as text; a missing one is a value like any other."""
    return pl.col(name).cast(pl.String).fill_null("")


def _scale(values: pl.Series) -> tuple[float, float]:
    """Mean and standard deviation; (0, 1) for a column without values, deviation 1 for a constant one."""
    present = values.cast(pl.Float64).fill_nan(None).drop_nulls()
    if not len(present):
        return 0.0, 1.0
    mean, deviation = float(present.to_numpy().mean()), float(present.to_numpy().std())
    return mean, deviation if deviation > 0 else 1.0
