"""What named GPUs can do at most, and how long work takes on them. Nothing here imports torch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ctrbench.errors import ConfigError
from ctrbench.spelling import suggest

UTILISATION = 0.35
"""The share of a GPU's peak that training is assumed to reach; 0.3 to 0.5 is usual for language models."""
STEP_SECONDS = 0.005
"""Assumed for what is no matrix product in a training step: look-ups, optimizer, starting kernels."""


@dataclass(frozen=True)
class GPU:
    """Peaks in FLOP/s of dense matrix products: FP16 or BF16 tensor cores with sums in FP32, and plain FP32."""

    name: str
    half: float
    single: float
    memory: int
    """Bytes."""
    bf16: bool = True
    """Whether `half` is that of BF16, too, which runs are in; else of FP16 alone."""


GPUS = {
    gpu.name: gpu
    for gpu in (
        # NVIDIA's data sheets: "Tesla V100" (SXM2, 2020), "T4" (2019), "A100 80GB" (SXM, 2021), "L4" (2023),
        # "H100" (SXM, 2023), "H200" (SXM, 2024), and "Ada GPU Architecture", table 2 (GeForce RTX 4090, 2022). Where a
        # sheet states rates with sparsity (H100, H200, L4), these are half of them.
        GPU("V100", 125e12, 15.7e12, 32 * 2**30, bf16=False),
        GPU("T4", 65e12, 8.1e12, 16 * 2**30, bf16=False),
        GPU("A100", 312e12, 19.5e12, 80 * 2**30),
        GPU("L4", 121e12, 30.3e12, 24 * 2**30),
        GPU("H100", 989e12, 67e12, 80 * 2**30),
        GPU("H200", 989e12, 67e12, 141 * 10**9),
        GPU("RTX-4090", 165e12, 82.6e12, 24 * 2**30),
    )
}


@dataclass(frozen=True)
class Place:
    """Where runs are imagined: `count` GPUs of one kind that share each run."""

    gpu: GPU
    count: int = 1

    @property
    def name(self) -> str:
        """As it is written: `V100x8`."""
        return self.gpu.name if self.count == 1 else f"{self.gpu.name}x{self.count}"

    def gpu_seconds(self, flops: float, steps: int, *, half: bool) -> float:
        """Of one GPU, had it to do all of the work; `half`: whether matrix products are in half precision."""
        peak = self.gpu.half if half else self.gpu.single
        return flops / (peak * UTILISATION) + steps * STEP_SECONDS


def place(text: str) -> Place:
    """A GPU's name, or several of it (`V100x8`); `ConfigError` with the nearest names for another."""
    name, count = text.strip(), 1
    if several := re.fullmatch(r"(.*\d)\s*[xX*]\s*(\d{1,5})", name):
        name, count = several[1].strip(), int(several[2])
    known = {key.lower(): gpu for key, gpu in GPUS.items()}
    gpu = known.get(name.lower().replace(" ", "-").replace("_", "-"))
    if gpu is None or count < 1:
        raise ConfigError(f"--gpu {text}: no GPU of that name is known.{suggest(name, GPUS)} Several are V100x8.")
    return Place(gpu, count)
