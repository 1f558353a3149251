"""LoRA training of Uni-CTR on one GPU, for backbones of four sizes, beside the naive twin (`ctrbench.benchmarks.twin`).

    python benchmarks/speed/uni_ctr_gpu.py [--models minilm,bert-base] [--minutes 7.5] [--peak 989] [--tiny]

Random weights in the real shapes, so nothing is downloaded; three domains, batches of 128 random prompts of 91 to 96
and of 243 to 256 tokens. Ours: frozen weights in bf16, autocast to bf16, scaled dot-product attention (flash where no
mask is needed), batches made in a thread and copied from pinned memory, with and without gradient checkpointing, and
compiled while the time lasts. The twin: fp32, every prompt padded to 256 tokens, every network on every row, half the
batch as often as memory asks for it; it is as fast on short prompts, so it is measured once.

A rate is over the steps of about four seconds, after three for warm-up. `peak` is the share of the GPU's dense bf16
peak in useful operations (`flops.py`), for the twin, too. `--tiny` shrinks every shape, to try the script on a CPU.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import torch

from ctrbench.benchmarks.peers import machine
from ctrbench.benchmarks.speed.flops import peak_of, train_flops
from ctrbench.benchmarks.speed.measure import train_rate
from ctrbench.benchmarks.speed.shapes import SHAPES, random_backbones, random_prompts, tokens
from ctrbench.benchmarks.speed.subject import TRAIN, uni_ctr
from ctrbench.benchmarks.twin import NaiveTwin, naive_optimizer
from ctrbench.features.batch import Batch
from ctrbench.features.loader import Rows, batches, prefetch
from ctrbench.features.order import train_order
from ctrbench.training.optim import build_optimizers

USUAL, TWINS, TO_COMPILE = 15.0, 30.0, 90.0  # seconds that must be left to begin
OUT_OF_MEMORY = "out of memory"


@dataclass(frozen=True)
class Plan:
    """What the options ask for."""

    device: torch.device
    tiny: bool
    peak: float | None
    end: float
    """When to stop, on the clock of `time.monotonic`."""

    @property
    def batch_size(self) -> int:
        """The paper's."""
        return 8 if self.tiny else 128

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of the longest prompt in a batch."""
        return (12, 24) if self.tiny else (96, 256)

    @property
    def seconds(self) -> float:
        """Of a measurement."""
        return 0.1 if self.tiny else 4.0

    def has_time(self, seconds: float) -> bool:
        """Whether something that takes so long may begin."""
        return time.monotonic() + seconds < self.end


@dataclass(frozen=True)
class Measured:
    """A line of the table; `rate` in rows/s is 0 where `fault` says why there is none."""

    backbone: str
    length: int
    how: str
    batch_size: int
    rate: float = 0.0
    flops: float = 0.0
    gigabytes: float | None = None
    fault: str = ""

    def line(self, peak: float | None) -> str:
        """As `HEAD` says."""
        start = f"{self.backbone:<19} {self.length:>6} {self.how:<20} {self.batch_size:>5}"
        if self.fault:
            return f"{start} {self.fault}"
        share = f"{self.rate * self.flops / peak:.1%}" if peak else "-"
        memory = f"{self.gigabytes:.1f}" if self.gigabytes is not None else "-"
        return f"{start} {self.rate:>9,.1f} {self.rate * tokens(self.length):>11,.0f} {share:>7} {memory:>6}"


HEAD = f"{'backbone':<19} {'length':>6} {'':<20} {'batch':>5} {'rows/s':>9} {'tokens/s':>11} {'peak':>7} {'GB':>6}"


def endless(rows: Rows, batch_size: int) -> Iterator[Batch]:
    """Epoch after epoch."""
    return (batch for epoch in count() for batch in batches(rows, train_order(rows, batch_size, 0, epoch)))


def steady_rate(loss: Any, optimizers: Any, rows: Rows, batch_size: int, plan: Plan, precision: str) -> float:
    """Rows per second, warm."""
    with closing(prefetch(endless(rows, batch_size), plan.device)) as coming:

        def rate(steps: int) -> float:
            return train_rate(loss, optimizers, islice(coming, steps), plan.device, precision)

        rate(2)
        return rate(min(max(int(plan.seconds * rate(1) / batch_size), 2), 100))


def ours(name: str, length: int, plan: Plan, **settings: Any) -> Measured:
    """Our training with settings of speed: `gradient_checkpointing`, `compile`."""

    def run(batch_size: int) -> tuple[float, float]:
        with random_backbones(plan.device, tiny=plan.tiny):
            model = uni_ctr(backbone=name, backbone_dtype="bf16", **settings).train()
        rows = random_prompts(16 * batch_size, length, model.backbone.config.vocab_size)
        optimizers = build_optimizers(model.parameter_groups(), TRAIN)
        rate = steady_rate(model.loss, optimizers, rows, batch_size, plan, "bf16")
        return rate, train_flops(model, tokens(length))

    return guarded(run, plan, name, length, " + ".join(["ours", *(key.split("_")[-1] for key in settings)]))


def twins(name: str, plan: Plan) -> Measured:
    """The twin's training, with the largest batch that fits."""
    length = plan.lengths[0]

    def run(batch_size: int) -> tuple[float, float]:
        with random_backbones(plan.device, tiny=plan.tiny):
            model = uni_ctr(backbone=name)
        twin = NaiveTwin(model).train()
        rows = random_prompts(16 * batch_size, length, model.backbone.config.vocab_size)
        rate = steady_rate(twin.loss, [naive_optimizer(twin)], rows, batch_size, plan, "fp32")
        return rate, train_flops(model, tokens(length))

    measured, size = guarded(run, plan, name, length, "twin"), plan.batch_size
    while measured.fault == OUT_OF_MEMORY and size > 1:
        size //= 2
        measured = guarded(run, plan, name, length, "twin", size)
    return measured


def guarded(
    run: Callable[[int], tuple[float, float]],
    plan: Plan,
    name: str,
    length: int,
    how: str,
    batch_size: int | None = None,
) -> Measured:
    """What `run` gives, with its peak memory; whatever goes wrong is told in its line, and the next one follows."""
    size, cuda = batch_size or plan.batch_size, plan.device.type == "cuda"
    torch.compiler.reset()
    gc.collect()
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        rate, flops = run(size)
    except torch.OutOfMemoryError:
        return Measured(name, length, how, size, fault=OUT_OF_MEMORY)
    except Exception as error:
        said = str(error).strip().splitlines() or [""]
        return Measured(name, length, how, size, fault=f"{type(error).__name__}: {said[0]}"[:80])
    gigabytes = torch.cuda.max_memory_allocated() / 1e9 if cuda else None
    return Measured(name, length, how, size, rate, flops, gigabytes)


def measure_all(names: Sequence[str], plan: Plan) -> list[Measured]:
    """Every line, printed when it is there; what the time does not suffice for is left out, and counted."""
    found: list[Measured] = []
    late = 0

    def add(measure: Callable[[], Measured], seconds: float = USUAL) -> None:
        nonlocal late
        if not plan.has_time(seconds):
            late += 1
            return
        found.append(measure())
        print(found[-1].line(plan.peak), flush=True)

    for name in names:
        for length in plan.lengths:
            add(lambda name=name, length=length: ours(name, length, plan))
            add(lambda name=name, length=length: ours(name, length, plan, gradient_checkpointing=True))
        add(lambda name=name: twins(name, plan), TWINS)
    plain = [measured for measured in found if measured.how == "ours"]
    for measured in plain if plan.device.type == "cuda" else []:
        settings = {"gradient_checkpointing": True} if measured.fault else {}
        add(lambda m=measured, s=settings: ours(m.backbone, m.length, plan, **s, compile=True), TO_COMPILE)
    if late:
        print(f"no time was left for {late} more; see --minutes and --models")
    return found


def summary(found: Sequence[Measured]) -> Iterator[Measured]:
    """Of each backbone and length the fastest of ours."""
    for key in dict.fromkeys((m.backbone, m.length) for m in found if m.how != "twin"):
        done = [m for m in found if (m.backbone, m.length) == key and m.how != "twin" and not m.fault]
        if done:
            yield max(done, key=lambda m: m.rate)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(SHAPES), help="comma-separated; default: all four")
    parser.add_argument("--minutes", type=float, default=7.5, help="how long it may take, about; default: 7.5")
    parser.add_argument("--peak", type=float, help="of an unknown device, in TFLOP/s of dense bf16")
    parser.add_argument("--tiny", action="store_true", help="small shapes, also on a CPU")
    given = parser.parse_args(arguments)
    names = given.models.split(",")
    if unknown := [name for name in names if name not in SHAPES]:
        raise SystemExit(f"no shape {unknown[0]!r}; there are {', '.join(SHAPES)}")
    if not (given.tiny or torch.cuda.is_available()):
        raise SystemExit("no GPU here; --tiny tries the script on a CPU")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    what = torch.cuda.get_device_name() if device.type == "cuda" else "no GPU"
    peak = given.peak * 1e12 if given.peak else peak_of(what)
    known = f"{peak / 1e12:,.0f} TFLOP/s" if peak else "unknown, see --peak"
    print(f"{machine()}\n{what}, CUDA {torch.version.cuda}, bf16 peak {known}{', tiny shapes' if given.tiny else ''}")
    print(f"\n{HEAD}", flush=True)
    plan = Plan(device, given.tiny, peak, time.monotonic() + 60 * given.minutes)
    found = measure_all(names, plan)
    twin = {measured.backbone: measured for measured in found if measured.how == "twin" and not measured.fault}
    print(f"\nthe fastest of each\n{HEAD} {'/ twin':>7}")
    for best in summary(found):
        ratio = f"{best.rate / twin[best.backbone].rate:.1f}" if best.backbone in twin else "-"
        print(f"{best.line(peak)} {ratio:>7}")


if __name__ == "__main__":
    main()
