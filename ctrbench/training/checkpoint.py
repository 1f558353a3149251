"""Training state in one safetensors file: tensors as tensors, everything else as JSON in its header."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from ctrbench.errors import Damaged
from ctrbench.files import atomic


def save_tensors(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write whole or not at all; `state` must be JSON."""
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic(path, "free space, or choose another folder with --results") as temporary:
        try:
            save_file(own, temporary, metadata={"state": json.dumps(state)})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The inverse of `save_tensors`."""
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {})["state"])
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise Damaged(f"cannot read {path}: {error}; delete the folder {path.parent} to run this again") from error


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """What training changes: trainable parameters and buffers. A frozen backbone is found again by its name."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items() if name not in frozen}


def load_trained(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put the result of `trained_state` back; a missing or surplus tensor is an error."""
    expected, given = set(trained_state(model)), set(tensors)
    if expected != given:
        odd = min(expected ^ given)
        raise Damaged(f"stored weights do not fit the model: '{odd}' is on one side only; delete the run")
    model.load_state_dict(dict(tensors), strict=False)


def pack_optimizers(optimizers: Sequence[Optimizer]) -> tuple[dict[str, Tensor], list[Any]]:
    """Optimiser states as named tensors and JSON; rates are not among them, they follow from the step."""
    tensors: dict[str, Tensor] = {}
    scalars: list[Any] = []
    for number, optimizer in enumerate(optimizers):
        state = optimizer.state_dict()
        rest: dict[str, Any] = {}
        for index, values in state["state"].items():
            for key, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"{number}.{index}.{key}"] = value
                else:
                    rest[f"{index}.{key}"] = value
        scalars.append(rest)
    return tensors, scalars


def unpack_optimizers(optimizers: Sequence[Optimizer], tensors: Mapping[str, Tensor], scalars: Sequence[Any]) -> None:
    """The inverse of `pack_optimizers`."""
    for number, (optimizer, saved) in enumerate(zip(optimizers, scalars, strict=True)):
        state = optimizer.state_dict()
        values: dict[int, dict[str, Any]] = {}
        for name, tensor in tensors.items():
            owner, index, key = name.split(".", 2)
            if int(owner) == number:
                values.setdefault(int(index), {})[key] = tensor
        for name, value in saved.items():
            index, key = name.split(".", 1)
            values.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({"state": values, "param_groups": state["param_groups"]})


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The generators that dropout draws from, on the CPU and on `device`."""
    states = {"cpu": torch.get_rng_state()}
    return {**states, "cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else states


def set_random_state(states: Mapping[str, Tensor], device: torch.device) -> None:
    """The inverse of `random_state`; a generator that was not saved stays as it is."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
