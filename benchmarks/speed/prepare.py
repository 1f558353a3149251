"""`ctrbench data prepare` on raw files in Amazon's format, beside a pandas twin of the published preprocessing.

    python benchmarks/speed/prepare.py [--rows 20000,450000,4500000] [--twin-rows 20000] [--raw DIR] [--turns 3]

The files are the demo's, of the paper's shape (texts of the published lengths; 4.5 million reviews of 400 thousand
products are its size), written once into `--raw`. Every measurement is a process of its own; its peak memory is that of
the whole process, its seconds are those of the work, without the start of Python and imports, and the median of the
turns.

prepare    the command with its defaults
read       polars reads the same lines and does nothing with them: the least that preparing could take
published  the command with the published rules (ratings of 3 dropped, repeats kept, plain prices or else their mean,
           81/9/10), and every row's prompt rendered: the twin's work
twin       the published main script's way, in pandas: all keys of the files in one joined frame, prices and prompts by
           functions applied to each row, histories in two loops over its rows, written as CSV, read again and split
twin, scan the published older script's way: the same, but for histories it searches the joined frame for the rows of
           each user, and for each title of each history
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from importlib import import_module
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from platform import python_version
from statistics import median

PAPER_ROWS, PAPER_SCALE = 4_498_787, 560
OURS = (
    "ctrbench.cli.data.prepare",
    "ctrbench.data.prepare",
    "ctrbench.features.prompt",
    "ctrbench_plugins.datasets.amazon2018",
)
"""What is imported before the seconds are counted."""
PUBLISHED = {"middle": "drop", "dedupe": "false", "price": "mean", "train": "0.81", "valid": "0.09"}


def write(raw: Path, rows: int) -> Path:
    """The raw files with about so many reviews, made where they are not yet."""
    from ctrbench.data.resolve import load_source

    root = raw / str(rows)
    load_source("demo", {"scale": rows * PAPER_SCALE / PAPER_ROWS, "shape": "paper"}).download(root)
    return root


def prepare(root: Path, out: Path, **options: str) -> None:
    """The command."""
    from ctrbench.cli import main as ctrbench

    pairs = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    if ctrbench(["--quiet", "data", "prepare", "amazon2018", "--root", str(root), "--out", str(out), *pairs]):
        raise SystemExit("the preparation failed")


def published(root: Path, out: Path) -> None:
    """The command with the twin's rules, and the prompts."""
    from ctrbench.data.store import PreparedDataset
    from ctrbench.features.prompt import render

    prepare(root, out, **PUBLISHED)
    data = PreparedDataset.open(out)
    for split in ("train", "valid", "test"):
        render(data.rows(split), data.items, data.manifest.prompts["default"], data.manifest.domains)


def read(root: Path, out: Path) -> None:
    """Decompress the files, and find their lines."""
    import polars as pl

    for path in sorted(root.glob("*.json.gz")):
        pl.scan_lines(path, name="line").select(pl.len()).collect(engine="streaming")


def twin(root: Path, out: Path) -> None:
    """The published main script's way."""
    from ctrbench.benchmarks.prepare_twin import prepare

    prepare(root, out)


def twin_scan(root: Path, out: Path) -> None:
    """The published older script's way."""
    from ctrbench.benchmarks.prepare_twin import prepare

    prepare(root, out, history="scan")


SIDES: dict[str, Callable[[Path, Path], None]] = {
    "prepare": prepare,
    "read": read,
    "published": published,
    "twin": twin,
    "twin, scan": twin_scan,
}


def run_side(name: str, root: Path) -> dict[str, float]:
    """Seconds and peak memory (GiB) of one side, in this process."""
    for module in ["ctrbench.benchmarks.prepare_twin"] if name.startswith("twin") else OURS:
        import_module(module)
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        start = time.perf_counter()
        SIDES[name](root, Path(folder) / "out")
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def measure(name: str, raw: Path, rows: int, turns: int) -> dict[str, float]:
    """The medians of a side's turns, each in a new process; one line of the table."""
    found = [json.loads(_in_a_process("side", name, raw / str(rows)).splitlines()[-1]) for _ in range(turns)]
    middle = {key: median(turn[key] for turn in found) for key in found[0]}
    speed = rows / middle["seconds"]
    print(f"{name:<11} {rows:>11,} {middle['seconds']:>9.2f} {speed:>11,.0f} {middle['memory']:>9.2f}", flush=True)
    return middle


def _in_a_process(*words: object) -> str:
    """What this script prints when it is run with `words`. This process stays small: a child's peak begins at it."""
    command = [sys.executable, __file__, *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def compare(raw: Path, sizes: list[int], twin_sizes: list[int], turns: int) -> None:
    """The table, and what follows from it."""
    for rows in sorted({*sizes, *twin_sizes}):
        _in_a_process("write", raw, rows)
    print(f"{'':<11} {'rows':>11} {'seconds':>9} {'rows/s':>11} {'peak GiB':>9}", flush=True)
    ours = [measure("prepare", raw, rows, turns)["seconds"] for rows in sizes]
    for rows in sizes:
        measure("read", raw, rows, turns)
    ratios = {}
    for rows in twin_sizes:
        mine, *theirs = (measure(name, raw, rows, turns)["seconds"] for name in ("published", "twin", "twin, scan"))
        ratios[rows] = [f"{other / mine:.1f}" for other in theirs]
    for rows, (running, scan) in ratios.items():
        print(f"twin / published at {rows:,} rows: {running} (scan: {scan})")
    for (less, before), (more, after) in pairwise(zip(sizes, ours, strict=True)):
        print(f"seconds per row at {more:,} / at {less:,} rows: {after / before * less / more:.2f}")


def _numbers(text: str) -> list[int]:
    return sorted(int(part.replace("_", "")) for part in text.split(",") if part)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=_numbers, default=[20_000, 450_000, PAPER_ROWS], help="comma-separated")
    parser.add_argument("--twin-rows", type=_numbers, default=[20_000], help="where the twin runs; comma-separated")
    parser.add_argument("--raw", type=Path, help="where the raw files are kept; default: with what ctrbench caches")
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args(argv)
    print(_machine())
    compare(given.raw or _cache(), given.rows, given.twin_rows, given.turns)


def _machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("ctrbench", "polars", "pandas"))
    threads = os.environ.get("POLARS_MAX_THREADS", os.cpu_count())
    return f"{date.today()}, {versions}, Python {python_version()}, {threads} threads for polars"


def _cache() -> Path:
    from ctrbench.data.resolve import cache_dir

    return cache_dir() / "benchmarks" / "prepare"


if __name__ == "__main__":
    if sys.argv[1:2] == ["side"]:
        print(json.dumps(run_side(sys.argv[2], Path(sys.argv[3]))))
    elif sys.argv[1:2] == ["write"]:
        write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
