"""Several processes as a team: what they agree on goes between CPUs (gloo), tensors the device's way (NCCL on GPUs).

Nothing is pickled: words between processes are JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from accelerate import PartialState
from torch import Tensor

from ctrbench import errors
from ctrbench.errors import ConfigError, CtrbenchError, LostProcess, in_words
from ctrbench.training import launched
from ctrbench.training.processes import Team

T = TypeVar("T")

_PATIENCE = timedelta(hours=12)
"""How long processes wait for one that works alone, e.g. tokenises a large dataset."""


def many_processes() -> Team:
    """Meet the other processes that the launcher started."""
    return _Many()


class _Many(Team):
    """Several processes, one of which is this one."""

    def __init__(self) -> None:
        if missing := launched.missing():
            raise ConfigError(
                f"{launched.count()} processes were announced (WORLD_SIZE), but {', '.join(missing)} is not set; "
                "use `ctrbench run --processes N` or `accelerate launch`, or unset WORLD_SIZE"
            )
        with _contact():
            self.state = PartialState(cpu=launched.wants_cpu() or not _has_accelerators())
            self.control = dist.new_group(backend="gloo", timeout=_PATIENCE)
        self.device = self.state.device
        self.rank, self.count = self.state.process_index, self.state.num_processes

    def part(self, rows: Tensor) -> Tensor:
        own = rows[self.rank :: self.count]
        return own if len(own) else rows[:1]

    def share(self, rows: Tensor) -> float:
        return len(rows[self.rank :: self.count]) / len(rows)

    def seed(self, seed: int) -> int:
        return (seed + 1_000_003 * self.rank) % 2**63

    def agree(self, values: Sequence[int]) -> list[int]:
        every = torch.tensor(values, dtype=torch.int64)
        with _contact():
            dist.all_reduce(every, dist.ReduceOp.MAX, group=self.control)
        return every.tolist()

    def on_main(self, work: Callable[[], T]) -> T:
        result = None
        with self.together():
            result = work() if self.main else None
        return self._tell(result, 0)

    @contextmanager
    def together(self) -> Iterator[None]:
        error = None
        try:
            yield
        except Exception as fault:
            if isinstance(fault, LostProcess) or self.agreed(fault):
                raise
            error = fault
        self.settle(self.agree([self.fault(error)])[0], error)

    @contextmanager
    def main_first(self) -> Iterator[None]:
        first = self.state.is_local_main_process
        if not first:
            self._wait()
        try:
            yield
        finally:
            if first:
                self._wait()

    def fault(self, error: Exception | None) -> int:
        return 0 if error is None else self.count - self.rank

    def settle(self, failed: int, error: Exception | None) -> None:
        if not failed:
            return
        source = self.count - failed
        kind, text = self._tell([type(error).__name__, in_words(error)] if error else None, source)
        if source == self.rank and error is not None:
            error.agreed = True  # type: ignore[attr-defined]
            raise error
        _repeat(kind, f"process {source} failed: {text}", error)

    def agreed(self, error: Exception) -> bool:
        return getattr(error, "agreed", False)

    def sum(self, tensor: Tensor) -> None:
        with _contact():
            dist.all_reduce(tensor, group=self._group(tensor))

    def gather(self, tensor: Tensor) -> list[Tensor]:
        every = [torch.empty_like(tensor) for _ in range(self.count)]
        with _contact():
            dist.all_gather(every, tensor.contiguous(), group=self._group(tensor))
        return every

    def broadcast(self, tensor: Tensor) -> None:
        with _contact():
            dist.broadcast(tensor, src=0, group=self._group(tensor))

    def leave(self, *, alone: bool = False) -> None:
        if not alone or self.device.type == "cpu":  # NCCL may wait for the others
            self.state.destroy_process_group()

    def _group(self, tensor: Tensor) -> dist.ProcessGroup | None:
        return self.control if tensor.device.type == "cpu" else None

    def _wait(self) -> None:
        with _contact():
            dist.barrier(group=self.control)

    def _tell(self, value: Any, source: int) -> Any:
        """A JSON value of process `source`, to all."""
        text = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        size = torch.tensor([len(text)])
        with _contact():
            dist.broadcast(size, src=source, group=self.control)
            if self.rank != source:
                text = torch.empty(int(size), dtype=torch.uint8)
            dist.broadcast(text, src=source, group=self.control)
        return json.loads(bytes(text.tolist()))


def _has_accelerators() -> bool:
    """Whether there are devices of a kind that a machine can have several of."""
    device = torch.accelerator.current_accelerator()
    return device is not None and device.type != "mps"


@contextmanager
def _contact() -> Iterator[None]:
    """A message that does not arrive means that another process is gone."""
    try:
        yield
    except RuntimeError as error:
        lost = LostProcess(
            "lost contact with another process, which failed or was killed; "
            "the same command goes on from the last checkpoint"
        )
        lost.elsewhere = True
        raise lost from error


def _repeat(kind: str, text: str, cause: Exception | None) -> NoReturn:
    """Raise here what another process raised."""
    found = getattr(errors, kind, None)
    known = isinstance(found, type) and issubclass(found, CtrbenchError)
    error: CtrbenchError = found(text) if known and found else CtrbenchError(text)
    error.elsewhere = True
    error.agreed = True  # type: ignore[attr-defined]
    raise error from cause
