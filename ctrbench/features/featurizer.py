"""What a featurizer is: rows of a prepared dataset in, tensors out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from torch import Tensor

from ctrbench.features.ragged import Ragged

if TYPE_CHECKING:
    import polars as pl

    from ctrbench.data.store import Manifest


@dataclass(frozen=True)
class FeatureInfo:
    """What a model must know of its input to size its layers.

    `ids`: names of the columns of `x["ids"]`; `numbers`: of `x["numbers"]`; `histories`: keys of `x` that hold item
    ids. `vocabulary`: rows of the shared embedding table (0 is padding); `unseen`: its rows for ids that train did
    not hold, one per field. `of`: each name's owner, `user`, `item` or `context`.
    """

    ids: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    histories: tuple[str, ...] = ()
    vocabulary: int = 0
    unseen: tuple[int, ...] = ()
    of: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The fields in the order in which embeddings are stacked."""
        return self.ids + self.numbers + self.histories

    def owned_by(self, *owners: str) -> list[int]:
        """Places in `names` of the fields that belong to one of `owners`."""
        return [place for place, name in enumerate(self.names) if self.of.get(name, "context") in owners]


Slices: TypeAlias = "Callable[[], Iterable[pl.DataFrame]]"
"""Makes the same rows, slice by slice, whenever it is called."""


class Featurizer(Protocol):
    """A view of rows. Fitted on train rows only, pure afterwards."""

    def fit(self, train: pl.LazyFrame, items: pl.DataFrame, manifest: Manifest) -> Featurizer:
        """Learn vocabularies and scales from `train`, which may be larger than memory; returns self.

        train: rows as a prepared dataset has them (`row_id, domain, user, user_index, item, time, label, history`, and
        the source's own columns); items: one row per item. manifest: has the source's `fields` and `prompts`, the
        `domains` (name -> title) and the `fingerprint` of the data. Raises `DataError` or `ConfigError` for rows that
        it cannot show.
        """
        ...

    def __call__(self, rows: pl.DataFrame, items: pl.DataFrame) -> dict[str, Tensor | Ragged]:
        """Tensors (N, ...) or `Ragged` of N, one entry per row, in order; int32 reaches the model as int64.

        Rows that are too many for memory come slice by slice, and what is made of them is kept on disk, where it is
        known by the class and its `state`: let the state hold a version that changes with the result.
        """
        ...

    @property
    def info(self) -> FeatureInfo:
        """What the model's constructor gets; after `fit`."""
        ...

    def notes(self) -> tuple[str, ...]:
        """What every table must say about the rows it was called with, e.g. that some were cut."""
        ...

    def state(self) -> dict[str, Any]:
        """All that `fit` learned, as JSON values; travels with the checkpoint."""
        ...

    def load_state(self, state: Mapping[str, Any]) -> Featurizer:
        """The inverse of `state`; returns self."""
        ...


@runtime_checkable
class KeepsFeatures(Protocol):
    """A featurizer that has a place of its own for what it makes of rows that are too many for memory."""

    def of_slices(self, slices: Slices, items: pl.DataFrame, key: str) -> dict[str, Tensor | Ragged]:
        """What a call on all slices together would give, mapped into memory; `key` tells the rows from others."""
        ...
