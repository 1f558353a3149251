"""How a launcher started this process, read from the environment. Nothing here imports torch."""

from __future__ import annotations

import os

CHILD = "CTRBENCH_CHILD"
"""Set in the environment of a process that `ctrbench run --processes` started."""
LOST = 3
"""The exit code of such a process when another one is gone: the one that started them says which."""
_RANK = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
_COUNT = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")


def rank() -> int:
    """This process among those that a launcher started; 0, the main one, where there was none."""
    return _number(_RANK, 0) if count() > 1 else 0


def count() -> int:
    """How many processes a launcher started; 1 where there was none."""
    return _number(_COUNT, 1)


def missing() -> list[str]:
    """What the environment lacks for this process to find the others; MPI has its own ways."""
    needed = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT") if "WORLD_SIZE" in os.environ else ()
    return [name for name in needed if name not in os.environ]


def by_ctrbench() -> bool:
    """Whether the launcher was ctrbench itself."""
    return CHILD in os.environ


def wants_sharding() -> bool:
    """Whether Accelerate's configuration says `distributed_type: FSDP`."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def wants_cpu() -> bool:
    """Whether Accelerate's configuration says `use_cpu: true`."""
    return os.environ.get("ACCELERATE_USE_CPU", "false").lower() == "true"


def alone_after_all() -> bool:
    """Whether `accelerate launch` was asked for several processes, and started one, as it does on CPUs without MPI."""
    return "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_ADDR" in os.environ and count() == 1


def _number(names: tuple[str, ...], default: int) -> int:
    found = [os.environ[name] for name in names if os.environ.get(name, "").isdigit()]
    return int(found[0]) if found else default
