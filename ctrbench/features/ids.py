"""Rows as ids in one shared table, standardised numbers and ragged histories."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
from ctrbench.features.scales import scale_of_items, scale_of_rows
from ctrbench.features.tally import tally

if TYPE_CHECKING:
    from ctrbench.data.store import Manifest

_ITEM = "item"  # histories hold item ids and share this field's rows of the table


class IdFeaturizer:
    """`ids` (N, F) int32, `numbers` (N, K) float32, and one `Ragged` of int32 ids for each history field.

    In every field 0 is padding and 1 an id that train did not hold. Fields share one table: padding is row 0 for
    all, and field f's index i > 0 is row `offset_f + i`. Text fields count as ids, as in the paper's baselines.
    Numbers are standardised on train; a missing one is the mean.
    """

    def __init__(self) -> None:
        self.fields: tuple[Field, ...] = ()
        self.vocabularies: dict[str, pl.Series] = {}
        self.scales: dict[str, tuple[float, float]] = {}
        self._looked_up: tuple[pl.DataFrame, pl.DataFrame] | None = None

    def fit(self, train: pl.LazyFrame, items: pl.DataFrame, manifest: Manifest) -> IdFeaturizer:
        """Learn each field's ids and each number's mean and deviation from `train`.

        What is in memory follows the number of distinct ids, not that of rows. Raises `DataError` for a field that is a
        column of neither rows nor items.
        """
        self.fields, self._looked_up = tuple(manifest.fields), None
        own = train.collect_schema().names()
        shown = self._shown(train, items, self._of_items(own, items))
        self.vocabularies = {
            name: _values(train if name in own else shown.lazy(), name) for name in self._names("id", "text")
        }
        self.scales = {
            name: scale_of_rows(train.select(name)) if name in own else scale_of_items(shown[name], shown["len"])
            for name in self._names("number")
        }
        return self

    def __call__(self, rows: pl.DataFrame, items: pl.DataFrame) -> dict[str, Tensor | Ragged]:
        """Look `rows` up in what `fit` learned."""
        theirs = rows.select(_ITEM).join(
            self._of_each_item(items, rows.columns), on=_ITEM, how="left", maintain_order="left"
        )
        out: dict[str, Tensor | Ragged] = {"ids": torch.empty(len(rows), 0, dtype=torch.int32)}
        ids, numbers = self._names("id", "text"), self._names("number")
        if ids:
            columns = [self._lookup(rows[n], n) if n in rows.columns else self._or_missing(theirs[n], n) for n in ids]
            out["ids"] = torch.from_numpy(np.stack([column.to_numpy() for column in columns], axis=1))
        if numbers:
            columns = [
                self._standardise(rows[n], n) if n in rows.columns else theirs[n].fill_null(0.0) for n in numbers
            ]
            out["numbers"] = torch.from_numpy(np.stack([column.to_numpy() for column in columns], axis=1))
        for name in self._names("history"):
            out[name] = self._history(rows[name])
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
            "vocabularies": {name: values.to_list() for name, values in self.vocabularies.items()},
            "scales": {name: list(scale) for name, scale in self.scales.items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> IdFeaturizer:
        """The inverse of `state`."""
        self.fields, self._looked_up = tuple(Field(**field) for field in state["fields"]), None
        self.vocabularies = {name: pl.Series(values, dtype=pl.String) for name, values in state["vocabularies"].items()}
        self.scales = {name: (scale[0], scale[1]) for name, scale in state["scales"].items()}
        return self

    def _names(self, *kinds: str) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields if field.kind in kinds)

    def _offsets(self) -> dict[str, int]:
        names = self._names("id", "text")
        sizes = (len(self.vocabularies[name]) + 1 for name in names)
        return dict(zip(names, accumulate(sizes, initial=0), strict=False))

    def _of_items(self, columns: Collection[str], items: pl.DataFrame) -> list[str]:
        """The fields that are in the table of items, for rows with these columns."""
        wanted = [field.name for field in self.fields if field.name not in columns]
        missing = [name for name in wanted if name not in items.columns]
        if missing:
            raise DataError(f"field '{missing[0]}' is a column of neither rows nor items; prepare the data again")
        return wanted

    def _shown(self, train: pl.LazyFrame, items: pl.DataFrame, names: list[str]) -> pl.DataFrame:
        """The items of train: how many rows each has (`len`), and its fields `names`."""
        counts = tally(train.select(pl.col(_ITEM).cast(pl.String)))
        return counts.join(items.select(_ITEM, *names), on=_ITEM, how="left", maintain_order="left")

    def _of_each_item(self, items: pl.DataFrame, columns: Collection[str]) -> pl.DataFrame:
        """The same fields as a model sees them, made once for a table of items: table rows, standardised numbers."""
        names = self._of_items(columns, items)
        if self._looked_up is None or self._looked_up[0] is not items or self._looked_up[1].columns[1:] != names:
            numbers = self._names("number")
            seen = {n: self._standardise(items[n], n) if n in numbers else self._lookup(items[n], n) for n in names}
            self._looked_up = items, pl.DataFrame({_ITEM: items[_ITEM], **seen})
        return self._looked_up[1]

    def _lookup(self, values: pl.Series, name: str) -> pl.Series:
        """Rows of the shared table for `values`, int32."""
        known, first = self.vocabularies[name], self._offsets()[name] + 2
        places = pl.DataFrame(
            {"value": known, "row": pl.int_range(first, first + len(known), dtype=pl.Int32, eager=True)}
        )
        asked = pl.DataFrame({"value": values.cast(pl.String).fill_null("")})
        # A join costs a tenth of a cast to an Enum, which looks at the whole vocabulary in every call.
        return asked.join(places, on="value", how="left", maintain_order="left")["row"].fill_null(first - 1)

    def _or_missing(self, looked_up: pl.Series, name: str) -> pl.Series:
        """A column of items; one that is not in their table has no value, which is a value like any other."""
        return looked_up.fill_null(self._lookup(pl.Series([""]), name)[0]) if looked_up.null_count() else looked_up

    def _standardise(self, values: pl.Series, name: str) -> pl.Series:
        mean, deviation = self.scales[name]
        return ((values.cast(pl.Float64).fill_nan(None).fill_null(mean) - mean) / deviation).cast(pl.Float32)

    def _history(self, history: pl.Series) -> Ragged:
        if _ITEM not in self.vocabularies:
            raise DataError("a history field needs an id field 'item' to share its embeddings with")
        offsets = np.concatenate([[0], history.list.len().fill_null(0).to_numpy().astype(np.int64).cumsum()])
        flat = history.filter(history.list.len() > 0).explode()
        return Ragged(torch.from_numpy(self._lookup(flat, _ITEM).to_numpy(writable=True)), torch.from_numpy(offsets))


def _values(rows: pl.LazyFrame, name: str) -> pl.Series:
    """The distinct values of a field as text, sorted; a missing one is a value like any other."""
    return tally(rows.select(pl.col(name).cast(pl.String).fill_null(""))).to_series()
