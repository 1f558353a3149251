"""In which batches rows come: shuffled for training, side by side for scoring.

Either way rows are read a pool at a time, and the places of few are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, overload

import numpy as np
import torch
from torch import Tensor

from ctrbench.features.loader import Rows

POOL = 2**20
"""Rows that are shuffled together; of more, each pool is drawn from everywhere."""
_STRETCH = 2**16  # rows that are read together for scoring
_BLOCK = 2**12  # rows that stand side by side, and come into one pool together
_SORTED = 64  # batches that are sorted by length together: little padding, and batches stay random
_PADDING = 0.05  # share of an evaluation batch's places that may be padding


class Pools(Sequence[Tensor]):
    """The batches `steps` of an order, made when they are asked for: `make` gives a pool of `per` by its number."""

    def __init__(self, steps: range, per: int, make: Callable[[int], list[Tensor]]) -> None:
        self.steps, self.per, self.make = steps, per, make

    def __len__(self) -> int:
        return len(self.steps)

    @overload
    def __getitem__(self, step: int) -> Tensor: ...
    @overload
    def __getitem__(self, step: slice) -> Pools: ...
    def __getitem__(self, step: int | slice) -> Tensor | Pools:
        if isinstance(step, slice):
            return Pools(self.steps[step], self.per, self.make)
        pool, place = divmod(self.steps[step], self.per)
        return self.make(pool)[place]


def train_order(rows: Rows, batch_size: int, seed: int, epoch: int) -> Sequence[Tensor]:
    """A shuffled epoch as batches of row indices, every row once: a function of (seed, epoch) alone.

    More than `POOL` rows are shuffled in pools of about that many. A pool is made of blocks of rows that stand side by
    side, drawn at random so that every pool has its share of each stretch of the data: of domains, and of times.

    Rows with tokens are sorted by length within sets of batches, so that a batch's rows are about equally long. In a
    batch, each domain's rows stand together, so that none need be moved to their network.
    """
    generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
    lengths, count = rows.lengths, len(rows)
    if count <= POOL:
        return _grouped(rows, _shuffled(torch.arange(count), lengths, batch_size, generator))
    size = _pool_size(count, batch_size, POOL)
    pools = -(-count // size)
    blocks = _spread(-(-count // _BLOCK), pools, generator)
    seeds = torch.randint(2**62, (pools,), generator=generator).tolist()

    def make(places: Tensor, pool: int) -> list[Tensor]:
        own = torch.Generator().manual_seed(seeds[pool])
        drawn = _rows_of(blocks, places, count).sort().values
        rows.prepare(drawn)
        return _grouped(rows, _shuffled(drawn, lengths, batch_size, own))

    return _in_pools(count, batch_size, size, make)


def _pool_size(count: int, batch_size: int, most: int) -> int:
    """Rows in a pool, which is made of whole batches, and of no more than `most` rows; pools are about equal."""
    batches = -(-count // batch_size)
    pools = -(-batches // max(most // batch_size, 1))
    return -(-batches // max(pools, 1)) * batch_size


def _in_pools(count: int, batch_size: int, size: int, make: Callable[[Tensor, int], list[Tensor]]) -> Pools:
    """`make(places, number)` cuts a pool, which holds the `size` rows at `places` of some order, into batches."""

    @lru_cache(maxsize=2)
    def pool(number: int) -> list[Tensor]:
        return make(torch.arange(number * size, min((number + 1) * size, count)), number)

    return Pools(range(-(-count // batch_size)), max(size // batch_size, 1), pool)


def _spread(blocks: int, pools: int, generator: torch.Generator) -> Tensor:
    """The numbers of blocks in the order in which pools take them: of so many neighbours, each goes to another pool."""
    deal = torch.rand(-(-blocks // pools), pools, generator=generator).argsort(1)  # (neighbourhoods, pools)
    dealt = (deal + torch.arange(len(deal))[:, None] * pools).T
    mixed = dealt.gather(1, torch.rand(dealt.shape, generator=generator).argsort(1)).flatten()
    return mixed[mixed < blocks]


def _rows_of(blocks: Tensor, places: Tensor, count: int) -> Tensor:
    """Which of `count` rows stand at `places`, where blocks of them stand in this order."""
    starts = blocks * _BLOCK
    sizes = (count - starts).clamp(max=_BLOCK)
    ends = sizes.cumsum(0)
    block = torch.searchsorted(ends, places, right=True)
    return starts[block] + places - (ends - sizes)[block]


def _shuffled(indices: Tensor, lengths: Tensor | None, batch_size: int, generator: torch.Generator) -> list[Tensor]:
    """The rows `indices` as batches."""
    order = indices[torch.randperm(len(indices), generator=generator)]
    if lengths is None:
        return list(order.split(batch_size))
    sets = order.split(batch_size * _SORTED)
    batches = [b for rows in sets for b in rows[lengths[rows].argsort(stable=True)].split(batch_size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def eval_order(rows: Rows, batch_size: int) -> Sequence[Tensor]:
    """Every row once, rows of equal length together, in a batch those of a domain; no batch where there is no row.

    A batch has fewer than `batch_size` rows where more than 5 % of its places would be padding.
    """
    lengths = rows.lengths
    if lengths is None:

        def make(places: Tensor, pool: int) -> list[Tensor]:
            rows.prepare(places)
            return _grouped(rows, places.split(batch_size))

        return _in_pools(len(rows), batch_size, _pool_size(len(rows), batch_size, _STRETCH), make)
    order = lengths.argsort(stable=True, descending=True)
    return _grouped(rows, order.split(_sizes(lengths[order].numpy(), batch_size)))


def _grouped(rows: Rows, order: Iterable[Tensor]) -> list[Tensor]:
    """The same batches, in each of which rows stand by domain."""
    return [indices[rows.domain_of(indices).argsort(stable=True)] for indices in order]


def _sizes(lengths: np.ndarray, batch_size: int) -> list[int]:
    """Of batches of rows with these descending lengths."""
    ends, counts = np.concatenate([[0], lengths.cumsum()]), np.arange(1, batch_size + 1)
    sizes: list[int] = []
    start = 0
    while start < len(lengths):
        tokens = ends[start + 1 : start + 1 + batch_size] - ends[start]
        places = lengths[start] * counts[: len(tokens)]
        sizes.append(int((tokens >= (1 - _PADDING) * places).sum()))
        start += sizes[-1]
    return sizes


class Padding(NamedTuple):
    """Of some batches: real `tokens`, and the `places` (rows times longest row, summed) that they are computed in."""

    tokens: int
    places: int

    @property
    def waste(self) -> float:
        """Share of the places that hold no token."""
        return 1 - self.tokens / self.places if self.places else 0.0


def padding(rows: Rows, order: Sequence[Tensor]) -> Padding:
    """What the batches of `order` will hold, without making them; nothing where rows have no tokens."""
    lengths = rows.lengths
    if lengths is None:
        return Padding(0, 0)
    found = [lengths[indices] for indices in order]
    return Padding(sum(int(f.sum()) for f in found), sum(len(f) * max(int(f.max()), 1) for f in found))
