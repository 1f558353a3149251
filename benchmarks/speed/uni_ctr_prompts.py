"""Padding and tokenisation of Uni-CTR's prompts; parts of `uni_ctr.py`."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import polars as pl
import torch

from ctrbench.bench.cost import peak_memory_mb, reset_peak_memory
from ctrbench.benchmarks.speed.subject import BATCHES, demo, featurizer, view
from ctrbench.benchmarks.twin import LENGTH
from ctrbench.features.loader import Rows
from ctrbench.features.order import eval_order, padding, train_order

PROMPTS = (50_000, 200_000)


def padded() -> None:
    """Share of positions without a token, over whole epochs of three domains."""
    rows = {"train": view(demo(), "train"), "eval": view(demo(), "test")}
    print(f"\npadding\n{'order':<6} {'batch':>5} {'batches':>8} {'tokens':>9} {'ours':>7} {'twin':>7}")
    for name, split in rows.items():
        for size in BATCHES:
            order = train_order(split, size, 0, 0) if name == "train" else eval_order(split, size)
            ours = padding(split, order)
            line = f"{name:<6} {size:>5} {len(order):>8} {ours.tokens:>9,}"
            print(f"{line} {ours.waste:>7.1%} {naive_waste(split):>7.1%}", flush=True)


def naive_waste(rows: Rows) -> float:
    """The same of prompts that are all padded to one length, whatever the batch."""
    assert rows.lengths is not None
    return 1 - float(rows.lengths.double().mean()) / LENGTH


def tokenised() -> None:
    """Prompts per second, and by how much a process of its own grows."""
    print(f"\ntokens\n{'prompts':>9} {'tokenised/s':>12} {'from the cache/s':>17} {'memory grows by, MB':>20}")
    for count in PROMPTS:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            first, again, grown = alone.submit(tokenise, count, torch.get_num_threads()).result()
        print(f"{count:>9,} {count / first:>12,.0f} {count / again:>17,.0f} {grown:>20.0f}", flush=True)


def tokenise(count: int, threads: int) -> tuple[float, float, float]:
    """Seconds to tokenise so many prompts, seconds to get them from the cache, and MB above what was there before."""
    torch.set_num_threads(threads)
    data = demo()
    some = data.rows("train")
    rows = pl.concat([some] * -(-count // len(some))).head(count).with_columns(row_id=pl.int_range(pl.len()))
    view = featurizer(data)
    view(some.head(100), data.items)  # what is loaded when first used
    reset_peak_memory()
    before, start = peak_memory_mb(), time.perf_counter()
    view(rows, data.items)
    first, grown, start = time.perf_counter() - start, peak_memory_mb() - before, time.perf_counter()
    view(rows, data.items)
    return first, time.perf_counter() - start, grown
