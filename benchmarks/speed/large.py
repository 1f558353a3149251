"""Training on more rows than memory holds: peak memory and rows per second, whatever the number of rows.

    python benchmarks/speed/large.py [--rows 5e6,50e6] [--folder DIR]
    python benchmarks/speed/large.py --epoch

The first trains a small DeepFM for one epoch on synthetic prepared datasets of so many rows (80 % train, 10 %
validation, 10 % test) over the same 200,000 users and 50,000 items, each in a process of its own that does all that
`ctrbench run` does: features, training, validation, test, predictions. It prints the peak resident memory of each, its
ratio to the first, and training rows per second; then the first size again with all its rows in memory.

The second does the same with DeepFM of the paper's sizes on synthetic rows of the size of D3: the users, products and
rows of its Table II.

Data and features lie in DIR, by default the system's folder for temporary files, and are removed at the end: about
45 + 70 bytes a row. Freed memory is kept for the next step, as the `ctrbench` command does.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ctrbench import fit, load_dataset
from ctrbench.bench.cost import peak_memory_mb
from ctrbench.benchmarks.peers import machine
from ctrbench.benchmarks.speed.large_data import PAPER, alike, write_large
from ctrbench.features import view
from ctrbench.training.memory import keep_freed_blocks
from ctrbench.training.watch import Progress

SMALL: dict[str, Any] = {"embedding_dim": 8, "hidden": (64, 32), "dropout": 0.0}
IN_MEMORY = "in memory"


def one_epoch(folder: Path, config: dict[str, Any], *, in_memory: bool = False) -> dict[str, float]:
    """Train for one epoch, score, and write predictions, in this process. Seconds, rows per second, and peak MB."""
    os.environ["ACCELERATE_USE_CPU"] = "true"
    keep_freed_blocks()
    if in_memory:
        view.IN_MEMORY = sys.maxsize
    start, first = time.perf_counter(), dict[str, float]()

    def watch(progress: Progress) -> None:
        first.setdefault(progress.stage, time.perf_counter())

    with tempfile.TemporaryDirectory(dir=folder.parent) as results:
        data = load_dataset(folder)
        cost = fit("deepfm", data, config=config, train={"epochs": 1}, results=results, watch=watch).record.cost
    trained, valid = cost.train_seconds or math.nan, cost.valid_seconds or math.nan
    features = first["train"] - first["features"]
    whole = time.perf_counter() - start
    rate = cost.rows_per_s or math.nan
    return {
        "peak": peak_memory_mb(),
        "rate": rate,
        "features": features,
        "train": trained,
        "valid": valid,
        "all": whole,
    }


def apart(folder: Path, *options: str) -> dict[str, float]:
    """The same in a new process, so that its peak is its own."""
    found: dict[str, float] = json.loads(_in_a_process("--one", str(folder), *options))
    return found


def written(folder: Path, *options: str) -> Path:
    """A prepared dataset, written by a process of its own: a child's peak begins at what its parent holds."""
    _in_a_process("--write", str(folder), *options)
    return folder


def _in_a_process(*words: str) -> bytes:
    return subprocess.run([sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE).stdout


def told(found: dict[str, float]) -> str:
    """A line of a table."""
    seconds = " ".join(f"{found[name]:>9.1f}" for name in ("features", "train", "valid", "all"))
    return f"{found['peak']:>8,.0f} {found['rate']:>10,.0f} {seconds}"


def growth(sizes: Sequence[int], folder: Path) -> None:
    """One line for each number of rows, and one for the first with all of them in memory."""
    print(
        f"{'rows':>12} {'peak MB':>8} {'rows/s':>10} {'features':>9} {'train':>9} {'valid':>9} {'all':>9}", flush=True
    )
    lines: list[dict[str, float]] = []
    for place, size in enumerate(sizes):
        data = written(folder / "data", "--rows", str(size))
        lines.append(apart(data))
        print(f"{size:>12,} {told(lines[-1])}", flush=True)
        if place == 0:
            memory = apart(data, "--in-memory")
            print(f"{IN_MEMORY:>12} {told(memory)}", flush=True)
        for entry in folder.iterdir():
            shutil.rmtree(entry)
    peaks = " ".join(f"{line['peak'] / lines[0]['peak']:.2f}" for line in lines)
    print(f"peak memory, by the first size's: {peaks}")
    print(f"rows/s at the first size, by those in memory: {lines[0]['rate'] / memory['rate']:.2f}")


def epoch(folder: Path) -> None:
    """The paper's size."""
    rows = sum(domain.rows for domain in PAPER)
    found = apart(written(folder / "data", "--paper"), "--paper")
    print(f"{rows:,} rows of D3's size, DeepFM as in the paper: embeddings of 32, MLP 512-256-128, batches of 2,048")
    print(f"features {found['features']:.1f} s, training {found['train']:.1f} s, validation {found['valid']:.1f} s")
    print(f"all together, with checkpoint, test and predictions: {found['all']:.1f} s; peak {found['peak']:,.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="5e6,50e6", help="numbers of rows (default: %(default)s)")
    parser.add_argument("--epoch", action="store_true", help="an epoch at the paper's size, and nothing else")
    parser.add_argument("--folder", type=Path, help="where data and features are written")
    for hidden in ("--one", "--write"):
        parser.add_argument(hidden, type=Path, help=argparse.SUPPRESS)
    for hidden in ("--in-memory", "--paper"):
        parser.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write_large(given.write, PAPER if given.paper else alike(int(given.rows)))
        return
    if given.one:
        config = {} if given.paper else SMALL
        print(json.dumps(one_epoch(given.one, config, in_memory=given.in_memory)))
        return
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        os.environ["CTRBENCH_CACHE"] = str(Path(folder) / "cache")
        if given.epoch:
            epoch(Path(folder))
        else:
            growth([int(float(size)) for size in given.rows.split(",")], Path(folder))


if __name__ == "__main__":
    main()
