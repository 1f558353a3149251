"""What frozen parts of a model make of each row: computed once, kept on disk, and handed back with every batch."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from ctrbench.data.resolve import cache_dir
from ctrbench.features.batch import Batch
from ctrbench.features.loader import Rows
from ctrbench.features.order import eval_order
from ctrbench.models.contract import CTRModel
from ctrbench.training.fixed import FixedStates
from ctrbench.training.state_store import StateStore
from ctrbench.training.watch import Progress, Watch, silent

_log = logging.getLogger(__name__)


def with_fixed_states(
    model: CTRModel,
    splits: Sequence[Rows],
    *,
    batch_size: int,
    precision: str = "fp32",
    limit: float,
    watch: Watch = silent,
) -> list[Rows]:
    """The same rows, whose batches also hold the model's `fixed_states`; unchanged where the model has none.

    States are computed now, in batches of `batch_size`, unless an earlier run did so with the same frozen weights and
    tokens. They stay under `cache_dir()`, where all such entries may take `limit` bytes; the size is announced through
    `logging` first. Rows beyond the limit are computed again whenever a batch holds them. Either way states pass
    through half precision, so that the two differ at most where another shape of the batch makes a matrix product
    round otherwise. Of processes that want the same entry, one computes it and the others wait.

    Raises `OutputError` where the cache cannot be written, `PluginError` for states of a wrong shape, and `ConfigError`
    where memory runs out.
    """
    training = model.training
    model.eval()
    try:
        compute = FixedStates(model, precision)
        shapes = compute.shapes(splits[0])
        if not shapes:
            return list(splits)
        work = _Work(compute, splits, batch_size)
        order = (indices for _, indices in work.order)
        store = StateStore(cache_dir() / "states" / compute.key(shapes, splits, order), shapes)
        work.fill(store, int(limit), watch)
        return work.rows(store)
    finally:
        model.train(training)


@dataclass(frozen=True)
class RowsWithStates(Rows):
    """Rows whose batches also hold the states of their tokens, (B, T, ...) float16 by name, zero where padded.

    `values`: (tokens, ...) by name, mapped into memory. `starts` (N,) int64: where a row's first token stands in them;
    -1 for rows that are not there. `sizes` (N,) int64: tokens per row.
    """

    compute: FixedStates
    values: Mapping[str, Tensor]
    starts: Tensor
    sizes: Tensor

    def batch(self, rows: Tensor) -> Batch:
        """The rows with indices `rows` (B,), and their states. Raises `ConfigError` where memory runs out."""
        batch = super().batch(rows)
        starts, sizes = self.starts[rows], self.sizes[rows]
        steps = torch.arange(max(int(sizes.max()), 1) if len(rows) else 1)
        real = steps < sizes[:, None]  # (B, T)
        states = {name: _gather(values, starts[:, None] + steps) for name, values in self.values.items()}
        missing = (starts < 0).nonzero()[:, 0]
        computed = self.compute(super().batch(rows[missing])) if len(missing) else {}
        for name, state in computed.items():
            states[name][missing, : state.shape[1]] = state
        for state in states.values():
            state[~real] = 0
        return replace(batch, x={**batch.x, **states})


class _Work:
    """States to be computed: batches of rows, each of one split, and the number of tokens up to each batch's end."""

    def __init__(self, compute: FixedStates, splits: Sequence[Rows], batch_size: int) -> None:
        self.compute, self.splits = compute, splits
        self.lengths = [_lengths(rows) for rows in splits]
        self.order = [(split, rows) for split, every in enumerate(splits) for rows in eval_order(every, batch_size)]
        self.ends = torch.stack([self.lengths[split][rows].sum() for split, rows in self.order]).cumsum(0)

    def fill(self, store: StateStore, limit: int, watch: Watch) -> None:
        """See to it that the store holds all batches, or as many of the first ones as the limit allows."""
        if self._complete(store):
            _log.info("hidden states are read from %s", store.folder)
        elif not limit:
            self._announce(store, self._fitting(store.tokens), limit, 0)
        else:
            with store.locked():
                if not self._complete(store):  # another process may just have written it
                    self._write(store, limit, watch)

    def _write(self, store: StateStore, limit: int, watch: Watch) -> None:
        def plan(room: int) -> tuple[int, Iterator[dict[str, Tensor]]]:
            kept = self._fitting(max(room // store.bytes_per_token, store.tokens))
            self._announce(store, kept, limit, room)
            return int(self.ends[kept - 1]) if kept else 0, self._states(kept, watch)

        store.write(plan, limit)

    def rows(self, store: StateStore) -> list[Rows]:
        """Every split with its share of what the store holds."""
        values = store.read()
        kept = self._fitting(min(len(value) for value in values.values()))
        found: list[Rows] = []
        first = 0
        for split, rows in enumerate(self.splits):
            none = torch.empty(0, dtype=torch.int64)
            there = torch.cat([none, *(indices for number, indices in self.order[:kept] if number == split)])
            sizes = self.lengths[split][there]
            starts = torch.full((len(rows),), -1).index_copy_(0, there, first + sizes.cumsum(0) - sizes)
            first += int(sizes.sum())
            same = {field.name: getattr(rows, field.name) for field in fields(Rows)}
            found.append(
                RowsWithStates(**same, compute=self.compute, values=values, starts=starts, sizes=self.lengths[split])
            )
        return found

    def _complete(self, store: StateStore) -> bool:
        return self._fitting(store.tokens) == len(self.order)

    def _fitting(self, tokens: int) -> int:
        """How many of the first batches hold no more than so many tokens together."""
        return int((self.ends <= tokens).sum())

    def _states(self, count: int, watch: Watch) -> Iterator[dict[str, Tensor]]:
        """Of the first `count` batches, without padding: (tokens, ...) by name."""
        start, done, total = time.perf_counter(), 0, self._rows(count)
        for split, rows in self.order[:count]:
            states = self.compute(self.splits[split].batch(rows), "train.score_batch_size")
            lengths = self.lengths[split][rows]
            yield {name: state[torch.arange(state.shape[1]) < lengths[:, None]] for name, state in states.items()}
            done += len(rows)
            watch(Progress("states", done, total, rows_per_s=done / (time.perf_counter() - start)))

    def _rows(self, count: int) -> int:
        return sum(len(rows) for _, rows in self.order[:count])

    def _announce(self, store: StateStore, kept: int, limit: int, room: int) -> None:
        rows, size = self._rows(len(self.order)), _size(int(self.ends[-1]) * store.bytes_per_token)
        text = f"hidden states of {rows:,} rows take {size} in {store.folder.parent} (limit {_size(limit)})"
        if kept < len(self.order):
            why = "cache_gb is the limit"
            if room != limit:
                why = f"the disk, or what other commands are writing, leaves them {_size(room)}"
            text += f"; {self._rows(kept):,} rows are kept, the others are computed again in every epoch: {why}"
        _log.warning(text)


def _lengths(rows: Rows) -> Tensor:
    """(N,) tokens per row, of rows that have some."""
    lengths = rows.lengths
    assert lengths is not None
    return lengths


def _gather(values: Tensor, places: Tensor) -> Tensor:
    """(B, T, ...): what stands in `values` (tokens, ...) at `places` (B, T); anything where nothing does."""
    shape = (*places.shape, *values.shape[1:])
    if not len(values):
        return values.new_zeros(shape)
    return values.index_select(0, places.clamp(0, len(values) - 1).flatten()).view(shape)


def _size(count: int) -> str:
    """Bytes in words: `120 bytes`, `12.0 MB`, `3.4 GB`."""
    if count < 1e5:
        return f"{count:,} bytes"
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"
