"""Frozen weights that are too large for every GPU to hold: each process keeps a part (FSDP2, torch's `fully_shard`)."""

from __future__ import annotations

import logging
import sys

from torch import nn

from ctrbench.errors import ConfigError
from ctrbench.models.contract import CTRModel
from ctrbench.training import launched
from ctrbench.training.exchange import share_weights
from ctrbench.training.failures import room_for
from ctrbench.training.processes import Team

_log = logging.getLogger(__name__)


def place(model: CTRModel, team: Team) -> None:
    """Bring `model` to the team's device, with the main process's weights; shard it where Accelerate says FSDP.

    A model that is sharded already stays as it is.
    """
    if is_sharded(model):
        return
    parts = model.shardable() if team.count > 1 and launched.wants_sharding() else []
    with team.together(), room_for(model, team.device):
        for part in parts:
            _check_frozen(model, part)
        if not parts:
            model.to(team.device)
    share_weights(model, team)
    if parts:
        _shard(parts, team)
        model.to(team.device)


def is_sharded(model: nn.Module) -> bool:
    """Whether forward passes of the processes wait for each other."""
    fsdp = sys.modules.get("torch.distributed.fsdp")  # a second to import, for what only sharding needs
    return fsdp is not None and any(isinstance(module, fsdp.FSDPModule) for module in model.modules())


def _check_frozen(model: CTRModel, part: nn.Module) -> None:
    if all(weight.requires_grad for weight in part.parameters()):
        raise ConfigError(
            f"FSDP spreads frozen weights, and {type(model).__name__} trains those of its backbone; "
            "train adapters (LoRA), or choose a configuration of Accelerate without FSDP"
        )


def _shard(parts: list[nn.Module], team: Team) -> None:
    """Spread the frozen weights of `parts` over all processes; what is trained there (LoRA) stays whole."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(team.device.type, (team.count,))
    for part in parts:
        whole = _outside(part, parts) or {weight for weight in part.parameters() if weight.requires_grad}
        _log.info("%d processes share the weights of a %s", team.count, type(part).__name__)
        fully_shard(part, mesh=mesh, reshard_after_forward=True, ignored_params=whole)


def _outside(part: nn.Module, parts: list[nn.Module]) -> set[nn.Parameter]:
    """Of a module around other parts, the weights of its own; it has one part's weights come while another computes."""
    inner = [module for module in part.modules() if module is not part and module in parts]
    held = {weight for module in inner for weight in module.parameters()}
    return set(part.parameters()) - held if inner else set()
