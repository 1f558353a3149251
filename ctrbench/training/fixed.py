"""A model's fixed states as a function of rows, and its identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ctrbench.errors import PluginError
from ctrbench.features.batch import Batch
from ctrbench.features.loader import Rows
from ctrbench.features.ragged import Ragged
from ctrbench.models.contract import CTRModel
from ctrbench.training.failures import enough_memory

_LARGEST = torch.finfo(torch.float16).max


@dataclass(frozen=True)
class FixedStates:
    """`model.fixed_states` in half precision, clamped to its range (+-65,504)."""

    model: CTRModel
    precision: str

    @torch.no_grad()
    def __call__(self, batch: Batch, setting: str = "train.batch_size or train.score_batch_size") -> dict[str, Tensor]:
        """(B, T, ...) float16 by name, in main memory.

        Raises `ConfigError` where memory runs out; it says to lower `setting`, which decides the number of rows.
        """
        device = self._device
        with enough_memory(self.model, batch, setting):
            with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                states = self.model.fixed_states(batch.to(device))
            return {name: state.float().clamp(-_LARGEST, _LARGEST).half().cpu() for name, state in states.items()}

    def shapes(self, rows: Rows) -> dict[str, tuple[int, ...]]:
        """What the states of one token look like, tried on the first row, where there is one; else empty."""
        if rows.lengths is None or not len(rows):
            return {}
        batch, width = rows.batch(torch.tensor([0])), max(int(rows.lengths[0]), 1)
        states = self(batch)
        for name, state in states.items():
            if state.shape[:2] != (1, width):
                raise PluginError(
                    f"fixed_states of {type(self.model).__name__} gave '{name}' of shape {tuple(state.shape)} for a row"
                    f" of {width} tokens; it must be (1, {width}, ...)"
                )
        return {name: tuple(state.shape[2:]) for name, state in states.items()}

    def key(self, shapes: Mapping[str, tuple[int, ...]], splits: Iterable[Rows], order: Iterable[Tensor]) -> str:
        """A hash of all that makes the states, of such `shapes`, of some rows in some order.

        That is the kind of model and of device, `fixed_settings`, precision, frozen weights and buffers, and the rows'
        tokens.
        """
        kind = f"{type(self.model).__module__}.{type(self.model).__qualname__}"
        settings = self.model.fixed_settings()
        about = [kind, self.model.version, settings, self.precision, self._device.type, dict(shapes)]
        digest = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=16)
        frozen = [(name, tensor) for name, tensor in self.model.named_parameters() if not tensor.requires_grad]
        tokens = (part for rows in splits for part in _tensors(rows))
        batches = (("order", indices) for indices in order)
        for named in (frozen, self.model.named_buffers(), tokens, batches):
            for name, tensor in named:
                _update(digest, name, tensor)
        return digest.hexdigest()

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


def _tensors(rows: Rows) -> Iterator[tuple[str, Tensor]]:
    """All that a model may read of rows, by name."""
    for name, feature in rows.features.items():
        if isinstance(feature, Ragged):
            yield from ((name, feature.values), (f"{name} offsets", feature.offsets))
        else:
            yield name, feature


def _update(digest: hashlib.blake2b, name: str, tensor: Tensor) -> None:
    """Add a tensor's name, type, shape and bytes."""
    data = tensor.detach().cpu().contiguous()
    digest.update(f"\0{name}\0{data.dtype}\0{tuple(data.shape)}\0".encode())
    if data.numel():
        digest.update(data.flatten().view(torch.uint8).numpy().data)
