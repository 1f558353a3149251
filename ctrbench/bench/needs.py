"""What a table needs of a run beyond its scores, as it stands on disk. Nothing here imports torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from ctrbench.errors import OutputError
from ctrbench.training.course import Number

if TYPE_CHECKING:
    import numpy as np

    from ctrbench.bench.folders import RunFolder
    from ctrbench.bench.plan import Need

Precision = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
TRAINED, UNTRAINED = "trained", "untrained"
MODELS = (TRAINED, UNTRAINED)
"""Whose representations are kept: the run's model, and one with fresh weights of the run's seed."""

ONE_NETWORK = "(one network)"
"""How the name of a space ends, where all rows pass the network of the first domain."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Timing(_Part):
    """How long batches took: milliseconds from a batch in main memory to its logits there."""

    precision: Precision
    length: int | None
    """Tokens per prompt, all of them real; None: prompts as they are, or a model that reads none."""
    batches: int
    p50_ms: float
    p95_ms: float


class Latency(_Part):
    """What scoring costs on one machine, and what half precision costs in AUC."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    measured: str
    """When, in ISO 8601."""
    device: str
    processor: str
    threads: int
    torch: str
    batch_size: int
    weights: dict[str, int]
    """How many weights there are of each type, e.g. `{"float32": 1000}`."""
    timings: list[Timing]
    auc: dict[Precision, dict[str, Number]]
    """Test AUC through the own head, by precision and domain."""


def of_need(folder: RunFolder, need: Need) -> Path:
    """The file that a need is met by."""
    files = {"representations": folder.representations, "latency": folder.latency}
    return files[need]


def lacking(folder: RunFolder, needs: Iterable[Need]) -> list[Need]:
    """Which of the needs are not on disk, in a fixed order."""
    return sorted(need for need in needs if not of_need(folder, need).exists())


def forget(folder: RunFolder) -> None:
    """Remove what was made from a model that another takes the place of."""
    forget_maps(folder)
    for file in (folder.representations, folder.latency):
        file.unlink(missing_ok=True)


def forget_maps(folder: RunFolder) -> None:
    """Remove what was made from representations that others take the place of."""
    for file in folder.maps.glob("*"):
        file.unlink(missing_ok=True)


@dataclass(frozen=True)
class Representations:
    """N test rows in some spaces, as a model sees them, and as it did before it was trained."""

    file: Path
    domains: tuple[str, ...]
    domain: np.ndarray
    """(N,) index into `domains`."""
    names: tuple[str, ...]
    """Of the spaces; none, where the model gives no representations."""

    @classmethod
    def of(cls, folder: RunFolder) -> Self:
        """What a run's folder holds; `OutputError` where that cannot be read."""
        file = folder.representations
        with _open(file) as tensors:
            state = json.loads(tensors.metadata()["state"])
            return cls(file, tuple(state["domains"]), tensors.get_tensor("domain"), tuple(state["names"]))

    def values(self, model: str, name: str) -> np.ndarray:
        """(N, d) float32 of one of `MODELS` in the space `name`."""
        with _open(self.file) as tensors:
            found: np.ndarray = tensors.get_tensor(tensor_name(model, name))
            return found


def tensor_name(model: str, name: str) -> str:
    """What a space's tensor is called in the file."""
    return f"{model}/{name}"


@contextmanager
def _open(file: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with reading(file), safe_open(file, framework="numpy") as tensors:
            yield tensors
    except SafetensorError as fault:
        raise _unreadable(file, fault) from fault


def read_latency(folder: RunFolder) -> Latency:
    """What was measured; `OutputError` where that cannot be read."""
    with reading(folder.latency):
        return Latency.model_validate(json.loads(folder.latency.read_text("utf-8")))


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Within, a file that is broken is an `OutputError` that says how to have it again."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise _unreadable(file, fault) from fault


def _unreadable(file: Path, fault: Exception) -> OutputError:
    told = " ".join(str(fault).split())
    return OutputError(f"{file} cannot be read ({told}); delete it, and run the table again to have it made anew")
