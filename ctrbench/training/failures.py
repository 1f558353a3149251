"""What to say when a step fails for want of memory, or its loss is no number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from ctrbench.errors import ConfigError, NotFinite, out_of_memory

if TYPE_CHECKING:
    from ctrbench.features.batch import Batch
    from ctrbench.models.contract import CTRModel

_NAMED = 5  # row ids in a sentence


def not_finite(value: float, batch: Batch, place: str, kept: str) -> NotFinite:
    """The error for a loss that is NaN or infinite: which rows, where, and what is kept."""
    ids = ", ".join(str(row) for row in batch.row_id[:_NAMED].tolist())
    more = ", ..." if len(batch) > _NAMED else ""
    domains = ", ".join(name for name, _ in batch.by_domain())
    return NotFinite(
        f"the loss became {value} in {place}, on {len(batch)} rows of {domains} (row_id {ids}{more}); {kept}"
        "try a lower learning rate (train.lr)"
    )


def check_finite(model: nn.Module, place: str, kept: str) -> None:
    """Raise `NotFinite` for trained weights that are not finite."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not torch.isfinite(parameter).all():
            raise NotFinite(
                f"the weights {name} are no longer finite after {place}; {kept}try a lower learning rate (train.lr)"
            )


@contextmanager
def room_for(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Within, running out of memory is a `ConfigError` that says how large the model is."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        size = sum(parameter.nbytes for parameter in model.parameters()) / 1e9
        raise ConfigError(
            f"out of memory: {type(model).__name__}, {size:.1f} GB, does not fit on {device}; choose a smaller backbone"
        ) from error


@contextmanager
def enough_memory(model: CTRModel, batch: Batch | None, setting: str) -> Iterator[None]:
    """Within, running out of memory is a `ConfigError` that says how large the batch was, and what to lower.

    `setting` decides the number of rows, e.g. `train.batch_size`. `batch` is None where it is only being made.
    """
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise ConfigError(_too_large(model, batch, setting)) from error


def _too_large(model: CTRModel, batch: Batch | None, setting: str) -> str:
    if batch is None:
        return f"out of memory while a batch was made; lower {setting}"
    config, tokens = model.config, batch.x.get("attention_mask")
    size = f"{len(batch)} rows" + (f" x {tokens.shape[1]} tokens" if tokens is not None else "")
    advice = [setting]
    if tokens is not None and hasattr(config, "max_length"):
        advice.append(f"config.max_length ({config.max_length})")
    text = f"out of memory on {size}; lower {' or '.join(advice)}"
    if setting == "train.batch_size" and getattr(config, "gradient_checkpointing", None) is False:
        text += ", or set config.gradient_checkpointing=true"
    return text
