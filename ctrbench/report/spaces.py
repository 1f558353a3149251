"""What is computed from a run's representations, and kept beside them: purity, and the points of maps.

A row's purity is the share of its nearest neighbours that are of its own domain. Nothing here imports torch.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter

from ctrbench.bench import records
from ctrbench.bench.needs import MODELS, TRAINED, Representations
from ctrbench.errors import OutputError

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from ctrbench.bench.folders import RunFolder

NEIGHBOURS = 10
PERPLEXITY = 30.0
ALL = ""
"""Stands for all domains."""
_log = logging.getLogger(__name__)


class Purity(BaseModel):
    """One space of one run; by domain, of those that have rows, and for `ALL` of them."""

    width: int
    rows: dict[str, int]
    trained: dict[str, float]
    untrained: dict[str, float]
    chance: dict[str, float]
    """What it is where domains are mixed: a domain's share of the other rows."""


def purities(folder: RunFolder) -> dict[str, Purity]:
    """Of every space that a run keeps, by name; computed once, and kept beside them. `OutputError` where unreadable."""
    file, kind = folder.maps / "purity.json", TypeAdapter(dict[str, Purity])
    with suppress(OSError, ValueError):
        return kind.validate_json(file.read_bytes())
    kept = Representations.of(folder)
    found = {name: _purity(kept, name) for name in kept.names if len(kept.domain) > 1}
    with suppress(OutputError), records.atomic(file) as temporary:  # of folders that one may only read, it is computed
        temporary.write_bytes(kind.dump_json(found))
    return found


def _purity(kept: Representations, name: str) -> Purity:
    import numpy as np

    counts = np.bincount(kept.domain, minlength=len(kept.domains))
    present = [code for code, count in enumerate(counts) if count]
    total = len(kept.domain)

    def of(shares: np.ndarray) -> dict[str, float]:
        """Means over the rows of a domain, and over all."""
        return {ALL: shares.mean(), **{kept.domains[code]: shares[kept.domain == code].mean() for code in present}}

    shares = {model: neighbours_alike(kept.values(model, name), kept.domain) for model in MODELS}
    return Purity(
        width=kept.values(TRAINED, name).shape[1],
        rows={ALL: total, **dict(zip(kept.domains, counts.tolist(), strict=True))},
        chance=of((counts[kept.domain] - 1) / (total - 1)),
        **{model: of(found) for model, found in shares.items()},
    )


def neighbours_alike(values: np.ndarray, domain: np.ndarray) -> np.ndarray:
    """(N,) the share of each row's nearest neighbours, itself left out, that are of its domain; values are (N, d).

    Rows are shuffled first: of neighbours at one distance, the first ones are taken, and domains stand together.
    """
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    order = np.random.default_rng(0).permutation(len(values))
    search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(values) - 1)).fit(values[order])
    nearest = search.kneighbors(return_distance=False)
    shares = np.empty(len(values))
    shares[order] = (domain[order][nearest] == domain[order][:, None]).mean(1)
    return shares


def points(folder: RunFolder, kept: Representations, name: str) -> pl.DataFrame:
    """`state` (untrained, trained), `domain`, `x`, `y` of one space; computed once, and kept."""
    import polars as pl

    file = folder.maps / f"tsne-{quote(name, safe='')}.parquet"
    with suppress(OSError, pl.exceptions.PolarsError):
        return pl.read_parquet(file)
    _log.info("t-SNE of %s rows in %s", f"{len(kept.domain):,}", name)
    domains = pl.Series(kept.domains, dtype=pl.String).gather(kept.domain)
    parts = []
    for state in reversed(MODELS):
        x, y = embedded(kept.values(state, name)).T
        parts.append(pl.DataFrame({"state": [state] * len(x), "domain": domains, "x": x, "y": y}))
    found = pl.concat(parts)
    with suppress(OutputError), records.atomic(file) as temporary:
        found.write_parquet(temporary)
    return found


def embedded(values: np.ndarray) -> np.ndarray:
    """(N, 2) float64, t-SNE of values (N, d); all zero where there is nothing to map: under 4 rows, or rows alike."""
    import numpy as np
    from sklearn.manifold import TSNE

    if len(values) < 4 or values.shape[1] < 2 or not np.ptp(values, axis=0).any():
        return np.zeros((len(values), 2))
    perplexity = min(PERPLEXITY, (len(values) - 1) / 3)
    found: np.ndarray = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(values)
    return found.astype(np.float64)
