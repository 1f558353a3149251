"""Uni-CTR beside a naive twin (`ctrbench.benchmarks.twin`), which computes the same as the published code does.

    python benchmarks/speed/uni_ctr.py [--part train|eval|domains|padding|tokens|frozen] [--steps 12] [--turns 3]

train    rows/s of LoRA training, in batches of 32 (the demo profile) and 128 (the paper)
eval     rows/s of scoring the test rows, in the same batches
domains  a step with 32 domains, all present, beside one with 2, in batches of one size
padding  share of positions that hold no token, in the orders of training and of scoring
tokens   prompts per second, tokenised and from the cache, and how memory grows with their number
frozen   epochs on a frozen backbone: the first, which computes its hidden states, and those that read them

MiniLM with three ladders on the demo's prompts and three domains, on the CPU; `uni_ctr_gpu.py` is about GPUs. Both
sides have the same modules and rows, and are measured in turns: a number is the median over turns with its range, and
a ratio is taken within each turn. Ours is timed over the first steps of its own orders, batches included; the twin,
which is slow, over one batch per turn. Freed memory is kept for the next step, as the `ctrbench` command does, for both
sides. Caches live in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ctrbench.benchmarks.peers import machine
from ctrbench.benchmarks.speed.measure import Rate, in_turns, ratios, spread, train_rate
from ctrbench.benchmarks.speed.subject import BATCHES, TRAIN, demo, uni_ctr, view
from ctrbench.benchmarks.speed.uni_ctr_frozen import frozen
from ctrbench.benchmarks.speed.uni_ctr_prompts import padded, tokenised
from ctrbench.benchmarks.twin import NaiveTwin, naive_optimizer, naive_order
from ctrbench.evaluation.score import score
from ctrbench.features.loader import Rows, batches, prefetch
from ctrbench.features.order import train_order
from ctrbench.training.memory import keep_freed_blocks
from ctrbench.training.optim import build_optimizers

CPU = torch.device("cpu")
OURS, TWIN, BF16 = "ours", "twin", "ours, bf16 *"
NOTE = "* autocast to bf16 on this CPU's matrix units: not the setting that is compared"
FEW, MANY = 2, 32  # domains
TWINS_BATCH = 32  # with every network on every row, larger ones want more memory than a laptop has


def our_training(model: Any, rows: Rows, batch_size: int, steps: int, precision: str = "fp32") -> Rate:
    """Over the first steps of the epoch with the turn's number."""
    optimizers = build_optimizers(model.parameter_groups(), TRAIN)

    def rate(turn: int) -> float:
        order = train_order(rows, batch_size, 0, turn)[:steps]
        return train_rate(model.train().loss, optimizers, prefetch(batches(rows, order), CPU), CPU, precision)

    return rate


def twins_training(twin: NaiveTwin, rows: Rows, batch_size: int) -> Rate:
    """Over one step on random rows."""
    optimizer = naive_optimizer(twin)

    def rate(turn: int) -> float:
        order = naive_order(rows, batch_size, turn)[:1]
        return train_rate(twin.train().loss, [optimizer], batches(rows, order), CPU)

    return rate


def our_scoring(model: Any, rows: Rows, batch_size: int, precision: str = "fp32") -> Rate:
    """Over all rows."""

    def rate(turn: int) -> float:
        start = time.perf_counter()
        score(model, rows, batch_size=batch_size, precision=precision)
        return len(rows) / (time.perf_counter() - start)

    return rate


def twins_scoring(twin: NaiveTwin, rows: Rows, batch_size: int) -> Rate:
    """Over one batch of random rows."""

    def rate(turn: int) -> float:
        start = time.perf_counter()
        with torch.no_grad():
            twin.eval()(rows.batch(naive_order(rows, batch_size, turn)[0]))
        return batch_size / (time.perf_counter() - start)

    return rate


def beside_twin(part: str, sides_of: Callable[[int], Mapping[str, Rate]], turns: Mapping[int, int]) -> None:
    """One line for each side and size of batch, after its number of turns. Ours has one more, as warm-up."""
    print(f"\n{part}\n{'batch':>5}  {'side':<14} {'rows/s':>24} {'ratio to the twin':>22}", flush=True)
    for size, count in turns.items():
        sides = sides_of(size)
        for name in sides.keys() - {TWIN}:
            sides[name](count)
        rates = in_turns(sides, count)
        for name, values in rates.items():
            ratio = "" if name == TWIN else ratios(values, rates[TWIN])
            print(f"{size:>5}  {name:<14} {spread(values):>24} {ratio:>22}", flush=True)
    if has_bf16_units():
        print(NOTE)


def train(steps: int, turns: int) -> None:
    """The larger batch has a turn less: there the twin's step takes a minute."""
    rows, model = view(demo(), "train"), uni_ctr()

    def sides(size: int) -> dict[str, Rate]:
        count = steps_of(size, steps)
        found = {OURS: our_training(model, rows, size, count), TWIN: twins_training(NaiveTwin(model), rows, size)}
        return found | ({BF16: our_training(model, rows, size, count, "bf16")} if has_bf16_units() else {})

    beside_twin("train", sides, {BATCHES[0]: turns, BATCHES[1]: max(turns - 1, 1)})


def evaluate(turns: int) -> None:
    rows, model = view(demo(), "test"), uni_ctr()

    def sides(size: int) -> dict[str, Rate]:
        found = {OURS: our_scoring(model, rows, size), TWIN: twins_scoring(NaiveTwin(model), rows, size)}
        return found | ({BF16: our_scoring(model, rows, size, "bf16")} if has_bf16_units() else {})

    beside_twin("eval", sides, dict.fromkeys(BATCHES, turns))


def domains(steps: int, turns: int) -> None:
    """The twin has one turn: with many domains its step takes minutes."""
    rows, size = view(demo(), "train"), BATCHES[1]
    ours, twins = [], []
    for count in (FEW, MANY):
        model = uni_ctr(domain_names(count))
        mine = spread_over(rows, train_order(rows, size, 0, 0), count)
        other = spread_over(rows, naive_order(rows, TWINS_BATCH, 0), count)
        ours.append(our_training(model, mine, size, steps_of(size, steps)))
        twins.append(twins_training(NaiveTwin(model), other, TWINS_BATCH))
    print(f"\ndomains\n{'batch':>5}  {'side':<5} {f'ms, {FEW} domains':>22} {f'ms, {MANY} domains':>22} {'ratio':>18}")
    for name, batch_size, rates, count in ((OURS, size, ours, turns), (TWIN, TWINS_BATCH, twins, 1)):
        pair = growth(rates, count, warm=name == OURS)
        took = [spread([batch_size / rate * 1e3 for rate in side], 0) for side in pair]
        print(f"{batch_size:>5}  {name:<5} {took[0]:>22} {took[1]:>22} {ratios(*pair):>18}", flush=True)


def growth(rates: Sequence[Rate], turns: int, *, warm: bool) -> list[list[float]]:
    """Rows/s with few and with many domains, each turn on the steps of the first epoch."""
    sides: dict[str, Rate] = {str(index): lambda turn, rate=rate: rate(0) for index, rate in enumerate(rates)}
    if warm:
        in_turns(sides, 1)
    return list(in_turns(sides, turns).values())


def spread_over(rows: Rows, order: Sequence[Tensor], count: int) -> Rows:
    """The same rows in so many domains, of which each batch of `order` holds every one."""
    domain = torch.empty_like(rows.domain, dtype=torch.int64)
    for indices in order:
        domain[indices] = torch.arange(len(indices)) % count
    return replace(rows, domain=domain, domains=domain_names(count))


def domain_names(count: int) -> tuple[str, ...]:
    return tuple(f"domain {index}" for index in range(count))


def steps_of(batch_size: int, steps: int) -> int:
    """So that larger batches see no more rows."""
    return max(steps * BATCHES[0] // batch_size, 1)


def has_bf16_units() -> bool:
    """Whether this CPU multiplies matrices of bf16 in hardware (AMX); False where that is not known."""
    facts = Path("/proc/cpuinfo")
    return facts.is_file() and "amx_bf16" in facts.read_text()


PARTS: Mapping[str, Callable[[int, int], None]] = {
    "train": train,
    "eval": lambda steps, turns: evaluate(turns),
    "domains": domains,
    "padding": lambda steps, turns: padded(),
    "tokens": lambda steps, turns: tokenised(),
    "frozen": lambda steps, turns: frozen(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, help="default: all")
    parser.add_argument("--steps", type=int, default=12, help="of ours in a turn, in batches of 32; default: 12")
    parser.add_argument("--turns", type=int, default=3, help="default: 3")
    given = parser.parse_args()
    os.environ["ACCELERATE_USE_CPU"] = "true"
    keep_freed_blocks()
    print(machine())
    with tempfile.TemporaryDirectory() as cache:
        os.environ["CTRBENCH_CACHE"] = cache
        for part in [given.part] if given.part else PARTS:
            PARTS[part](given.steps, given.turns)


if __name__ == "__main__":
    main()
