"""When and what a training saves, and how it goes on from there."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ctrbench.errors import OutputError
from ctrbench.training import checkpoint as store
from ctrbench.training.course import FitResult
from ctrbench.training.failures import check_finite
from ctrbench.training.processes import Team

_log = logging.getLogger(__name__)


@dataclass
class Saver:
    """A checkpoint of all that decides how a training goes on; one process writes it, every process reads it.

    `path` is None where nothing is to be saved. `identity` is what must be alike for a checkpoint to be resumed.
    """

    path: Path | None
    identity: dict[str, Any]
    seed: int
    team: Team
    model: nn.Module
    optimizers: Sequence[Optimizer]
    saved_at: float = field(default_factory=time.perf_counter, init=False)
    place: str = field(default="", init=False)
    """Where the training stood when it was last saved."""

    def due(self, seconds: float) -> bool:
        """Whether the last save is longer ago; the main process's clock decides."""
        return self.team.main and time.perf_counter() - self.saved_at > seconds

    def save(self, result: FitResult, best: dict[str, Tensor]) -> None:
        """Write a checkpoint, whole or not at all. Raises `DataError` rather than keep weights that are not finite."""
        self.saved_at = time.perf_counter()
        if self.path is None:
            return
        streams = {name: self.team.gather(state) for name, state in store.random_state(self.team.device).items()}
        self.team.on_main(lambda: self._write(result, best, streams))
        self.place = result.place

    def _write(self, result: FitResult, best: dict[str, Tensor], streams: dict[str, list[Tensor]]) -> None:
        assert self.path is not None
        check_finite(self.model, result.place, self.kept())
        optim, scalars = store.pack_optimizers(self.optimizers)
        parts = {"model": store.trained_state(self.model), "best": best, "optim": optim}
        for rank in range(self.team.count):
            parts[_stream(rank)] = {name: states[rank] for name, states in streams.items()}
        tensors = {f"{part}/{name}": tensor for part, named in parts.items() for name, tensor in named.items()}
        state = {"result": result.model_dump(), "optim": scalars, "config": self.identity}
        store.save_tensors(self.path, tensors, state)

    def resume(self) -> tuple[FitResult, dict[str, Tensor]]:
        """What the checkpoint holds: the course so far and the best weights; nothing where there is no checkpoint.

        The model, the optimisers and the random generators are set to its state.
        """
        with self.team.together():
            path = self.path
            if path is None or not self.team.on_main(path.exists):
                return FitResult(), {}
            return self._read(path)

    def _read(self, path: Path) -> tuple[FitResult, dict[str, Tensor]]:
        tensors, state = store.load_tensors(path)
        if state["config"] != self.identity:
            raise OutputError(
                f"checkpoint {path} is of another configuration; delete the folder {path.parent} to run this again"
            )
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optim": {}}
        for name, tensor in tensors.items():
            part, rest = name.split("/", 1)
            parts.setdefault(part, {})[rest] = tensor
        store.load_trained(self.model, parts["model"])
        store.unpack_optimizers(self.optimizers, parts["optim"], state["optim"])
        result = FitResult(**state["result"])
        self._set_streams({part: states for part, states in parts.items() if part.startswith(_stream(0))}, result)
        self.place = result.place
        return result, parts["best"]

    def _set_streams(self, streams: dict[str, dict[str, Tensor]], result: FitResult) -> None:
        if len(streams) == self.team.count:
            store.set_random_state(streams[_stream(self.team.rank)], self.team.device)
            return
        if self.team.main:
            _log.warning(
                "%s was left by %d processes, and is continued by %d: dropout is drawn anew from here on",
                *(self.path, len(streams), self.team.count),
            )
        torch.manual_seed(self.team.seed(self.seed + 7919 * (result.steps + 1)))

    def kept(self) -> str:
        """For an error's sentence: which state is left."""
        return f"the state after {self.place} is kept in {self.path}; " if self.place else ""


def _stream(rank: int) -> str:
    """The part of a checkpoint that holds a process's random state."""
    return f"random{rank or ''}"
