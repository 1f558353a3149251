"""The rows of a prepared dataset as a model sees them: in memory where they are few, else mapped from the cache."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from torch import Tensor

from ctrbench.data.resolve import cache_dir
from ctrbench.features.array_store import Chunk, stored
from ctrbench.features.featurizer import KeepsFeatures
from ctrbench.features.loader import Rows
from ctrbench.features.mapped import MappedRows
from ctrbench.features.ragged import Ragged

if TYPE_CHECKING:
    import polars as pl

    from ctrbench.data.split import Split
    from ctrbench.data.store import PreparedDataset
    from ctrbench.features.featurizer import Featurizer

IN_MEMORY = 2**17
"""Of more rows than that, features are kept on disk."""
SLICE = 2**17
"""Rows of a dataset that are in memory at a time, where not all of them are."""
_WAY = 1  # raised when the same rows get other features than before
_OWN = ("domain", "label", "row_id")
_FEATURE = "feature "
_log = logging.getLogger(__name__)


def view(
    data: PreparedDataset,
    featurizer: Featurizer,
    split: Split,
    domains: Sequence[str],
    limit: int | None = None,
) -> Rows:
    """What `featurizer` makes of the rows of `split` and `domains`, or of the latest `limit` of each domain.

    Features of more than `IN_MEMORY` rows are kept under `cache_dir()`, for later runs that want the same. Raises
    `OutputError` where they cannot be written.
    """
    if data.count(split, domains, limit) <= IN_MEMORY:
        return Rows.build(data.rows(split, domains, limit), data.items, featurizer, domains)

    def slices() -> Iterator[pl.DataFrame]:
        return data.slices(split, domains, limit, size=SLICE)

    key = _key(data, featurizer, split, domains, limit)
    features: dict[str, Tensor | Ragged] = {}
    if isinstance(featurizer, KeepsFeatures):
        features = featurizer.of_slices(slices, data.items, key)
    call = _nothing if features else featurizer

    def chunks() -> Iterator[Chunk]:
        _log.info("features of %s rows are kept in %s", f"{data.count(split, domains, limit):,}", folder)
        return (_chunk(Rows.build(rows, data.items, call, domains)) for rows in slices())

    folder = cache_dir() / "rows" / key
    kept = stored(folder, chunks).features
    own = cast("dict[str, Tensor]", {name: kept.pop(name) for name in _OWN})
    features.update((name.removeprefix(_FEATURE), feature) for name, feature in kept.items())
    return MappedRows(features, domains=tuple(domains), **own)


def _chunk(rows: Rows) -> Chunk:
    features = {_FEATURE + name: feature for name, feature in rows.features.items()}
    return Chunk({**features, **{name: getattr(rows, name) for name in _OWN}})


def _nothing(rows: pl.DataFrame, items: pl.DataFrame) -> dict[str, Tensor | Ragged]:
    """Features that are kept elsewhere."""
    return {}


def _key(data: PreparedDataset, featurizer: Featurizer, split: Split, domains: Sequence[str], limit: int | None) -> str:
    kind = type(featurizer)
    which = [data.fingerprint, split, list(domains), limit]
    about = [_WAY, *which, f"{kind.__module__}.{kind.__qualname__}", featurizer.state()]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
