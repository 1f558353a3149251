"""`ctrbench list` where many packages with plugins are installed, beside importing all of them.

    python benchmarks/speed/discovery.py [--distributions 200] [--turns 5]

Each distribution has a model, a dataset, a backbone, a package with one table (Table III), and a README of 10 kB in its
metadata. Every measurement is a process of its own, from its start to its end; sides are measured in turns.

list       the command
models     the command for one kind
imports    what a program must do that asks each plugin for its name: import all of them
Python     the start of Python and the import of ctrbench, which no command can do without
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from ctrbench.benchmarks.speed.measure import Rate, in_turns, ratios, spread

_IMPORTS = """
from ctrbench import registry
for kind in registry.GROUPS:
    for plugin in registry.plugins(kind):
        plugin.load()
"""
SIDES = {
    "list": ("-m", "ctrbench", "list"),
    "models": ("-m", "ctrbench", "list", "models"),
    "imports": ("-c", _IMPORTS),
    "Python": ("-c", "import ctrbench"),
}
MODULE = """
from ctrbench.api import BackboneFiles, CTRModel, DatasetSource

class Model(CTRModel):
    pass

class Source(DatasetSource):
    pass

def resolve(name):
    return BackboneFiles(name)
"""
TABLE = Path(__file__).parents[1] / "tables" / "table3.toml"
README = "A plugin for ctrbench, and what there is to say of it.\n" * 190


def install(
    folder: Path,
    name: str,
    entries: Mapping[str, Mapping[str, str]],
    files: Mapping[str, str],
    *,
    version: str = "1.0",
    requires: tuple[str, ...] = (),
    readme: str = "",
) -> None:
    """Put a distribution into a folder on the path: its files, and metadata as pip writes them.

    entries: for each kind, the object of each name; files: texts by their paths in `folder`.
    """
    for place, text in files.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text, "utf-8")
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}\n{readme}")
    groups = ["\n".join((f"[ctrbench.{kind}]", *(f"{k} = {v}" for k, v in of.items()))) for kind, of in entries.items()]
    (info / "entry_points.txt").write_text("\n\n".join(groups))


def install_many(folder: Path, count: int, module: str = MODULE) -> None:
    """`count` distributions `stranger-0`, … with the model `model_0`, dataset `source_0`, and so on."""
    table = TABLE.read_text("utf-8")
    for number in range(count):
        package = f"stranger_{number}"
        entries = {
            "models": {f"model_{number}": f"{package}:Model"},
            "datasets": {f"source_{number}": f"{package}:Source"},
            "backbones": {f"backbone_{number}": f"{package}:resolve"},
            "tables": {package: f"{package}.tables"},
        }
        files = {
            f"{package}/__init__.py": module,
            f"{package}/tables/__init__.py": "",
            f"{package}/tables/table_{number}.toml": table,
        }
        install(folder, f"stranger-{number}", entries, files, readme=README)


def seconds(folder: Path, words: tuple[str, ...]) -> float:
    """One process, from start to end."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *words], check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(folder)}
    )
    return time.perf_counter() - start


def main(argv: list[str] | None = None) -> None:
    """The table, and what follows from it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--distributions", type=int, default=200)
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args(argv)
    print(f"{date.today()}, ctrbench {version('ctrbench')}, Python {python_version()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install_many(folder, given.distributions)
        sides: dict[str, Rate] = {side: partial(_seconds, folder, words) for side, words in SIDES.items()}
        for side in sides:  # so that every module is compiled once
            sides[side](0)
        found = in_turns(sides, given.turns)
    print(f"{given.distributions} distributions, {4 * given.distributions} plugins")
    for side, times in found.items():
        print(f"{side:<8} {spread(times, 2)} s")
    print(f"imports / list: {ratios(found['imports'], found['list'])}")


def _seconds(folder: Path, words: tuple[str, ...], turn: int) -> float:
    return seconds(folder, words)


if __name__ == "__main__":
    main()
