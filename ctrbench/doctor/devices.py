"""What torch can train on. Only `worker` calls this: a broken driver may end the process that asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any


def devices() -> dict[str, Any]:
    """As JSON: `torch` (its version), `cuda` (the version it was built for, or None), `threads`, and `found`.

    Of each device found: `device`, `name`, `memory_bytes`, `free_bytes`, `bf16` (None where nothing tells) and `fault`,
    which is empty where a computation gave the right result.
    """
    import torch

    found = [*_cuda(), *_mps()]
    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "threads": torch.get_num_threads(),
        "found": [{**device, "fault": _fault(device["device"])} for device in found],
    }


def _cuda() -> Iterator[dict[str, Any]]:
    import torch

    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        properties = torch.cuda.get_device_properties(index)
        free, bf16 = 0, None
        with suppress(Exception), torch.cuda.device(index):  # `fault` says what is wrong with a GPU that does not tell
            free = torch.cuda.mem_get_info()[0]
            bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        yield {
            "device": f"cuda:{index}",
            "name": properties.name,
            "memory_bytes": properties.total_memory,
            "free_bytes": free,
            "bf16": bf16,
        }


def _mps() -> Iterator[dict[str, Any]]:
    import torch

    if torch.backends.mps.is_available():
        memory = torch.mps.recommended_max_memory()
        taken = torch.mps.driver_allocated_memory()
        yield {
            "device": "mps",
            "name": "Apple GPU",
            "memory_bytes": memory,
            "free_bytes": memory - taken,
            "bf16": None,
        }


def _fault(device: str) -> str:
    """What goes wrong when something is computed there."""
    import torch

    from ctrbench.errors import in_words

    try:
        return "" if torch.arange(4, device=device).sum().item() == 6 else "it computes wrong sums"
    except Exception as fault:
        return in_words(fault)
