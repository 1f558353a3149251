"""The processes that train together: who does what, what they agree on, how they hear of each other's failures.

A process that no launcher started is a `Team` of its own, whose methods do nothing. Nothing here knows of models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import torch
from accelerate import PartialState
from torch import Tensor

from ctrbench.errors import LostProcess, in_words
from ctrbench.training import launched

T = TypeVar("T")


@cache
def team() -> Team:
    """The processes that this one belongs to; the first call meets them."""
    from ctrbench.training.many import many_processes

    return many_processes() if launched.count() > 1 else Team()


class Team:
    """One process. `rank` counts from 0, the main process; `count` is how many there are."""

    rank, count = 0, 1

    def __init__(self) -> None:
        self.device: torch.device = PartialState(cpu=launched.wants_cpu()).device

    @property
    def main(self) -> bool:
        """Whether this process alone writes files and speaks."""
        return self.rank == 0

    def part(self, rows: Tensor) -> Tensor:
        """Which of a batch's rows this process works on: every `count`-th.

        Neighbours in a batch are alike in domain and length, so the parts are about equally costly. Where no row is
        left for this process, it repeats the batch's first one without weight: that moves nothing that the row itself
        does not.
        """
        return rows

    def share(self, rows: Tensor) -> float:
        """The share of a batch's rows that `part` gives this process; 0 where its row is only for company."""
        return 1.0

    def seed(self, seed: int) -> int:
        """Each process draws from a stream of its own, the main one from that of a process alone."""
        return seed

    def agree(self, values: Sequence[int]) -> list[int]:
        """The largest of each value over all processes."""
        return list(values)

    def on_main(self, work: Callable[[], T]) -> T:
        """What `work`, done by the main process alone, gives (JSON); all others wait for it, or fail with it."""
        return work()

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block that ends alike everywhere: where one process fails, all do, with its sentence.

        Inside, processes may meet only through blocks of this kind, or `main_first`.
        """
        yield

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """A block that the first process of each machine has behind it before the machine's others begin."""
        yield

    def settle(self, failed: int, error: Exception | None) -> None:
        """Raise where `failed`, the agreed `fault` of all processes, says that one failed."""
        if error is not None:
            raise error

    def fault(self, error: Exception | None) -> int:
        """A number to agree on: the largest is that of the first process that failed; 0 where none did."""
        return int(error is not None)

    def agreed(self, error: Exception) -> bool:
        """Whether all processes know of this error, so that they can go on together to something else."""
        return True

    def sum(self, tensor: Tensor) -> None:
        """Add the tensor up over all processes, in place."""

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensor of every process; all have one shape."""
        return [tensor]

    def broadcast(self, tensor: Tensor) -> None:
        """Overwrite the tensor with that of the main process."""

    def leave(self, *, alone: bool = False) -> None:
        """Close connections, which the end of Python would break; `alone`: only those that wait for nobody."""


@contextmanager
def bound(yes: bool) -> Iterator[None]:
    """Where `yes`, processes wait for each other inside (as for sharded weights), so that none can fail alone.

    A failure is a `LostProcess` then, and ends the command.
    """
    try:
        yield
    except Exception as error:
        if not yes or isinstance(error, LostProcess):
            raise
        raise LostProcess(f"{in_words(error)}; the other processes wait for this one, and cannot go on") from error
