"""Which runs are meant, and how they are listed: what `ls` and `rm` share."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrbench.bench.results import STATUSES, StoredRun
from ctrbench.cli.arguments import one_of

if TYPE_CHECKING:
    from ctrbench.bench.spec import RunSpec

TITLES = (
    *("run", "model", "domains", "seed", "dataset", "status", "mean test AUC", "ended (UTC)", "size", "ctrbench"),
    "other settings than most",
)
RIGHT = ("seed", "mean test AUC", "size")
_MOST = 60
"""Characters of settings in a line."""
COLOURS = {"failed": "red", "unreadable": "red", "unfinished": "dim"}


def add_results(parser: argparse.ArgumentParser) -> None:
    """The folder."""
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="where runs are kept (./results)"
    )


def add_choice(parser: argparse.ArgumentParser) -> None:
    """What must hold for a run; of several options, all."""
    parser.add_argument("--dataset", metavar="NAME", help="of this dataset, by name or by the start of its fingerprint")
    parser.add_argument("--model", metavar="M", help="of this model")
    parser.add_argument("--status", type=one_of(STATUSES), metavar="S", help=f"one of {', '.join(STATUSES)}")
    parser.add_argument("--older-than", type=_days, metavar="DAYS", help="that ended longer ago")


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days")
    return days


def choice(args: argparse.Namespace) -> dict[str, Any]:
    """The same for `bench.results.choose`."""
    return {name: getattr(args, name) for name in ("dataset", "model", "status", "older_than")}


def print_runs(runs: Sequence[StoredRun], odd: Mapping[Path, Mapping[str, Any]]) -> None:
    """One line per run. Not as a rich table, which takes long for thousands. `odd`: settings to tell, by folder."""
    from rich.text import Text

    from ctrbench.cli.output import console

    lines = [TITLES, *(_cells(run, odd.get(run.folder.path, {})) for run in runs)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    styles = ["bold", *(COLOURS.get(run.status, "") for run in runs)]
    screen = console(soft_wrap=True, highlight=False)
    for cells, style in zip(lines, styles, strict=True):
        padded = [
            cell.rjust(width) if title in RIGHT else cell.ljust(width)
            for title, cell, width in zip(TITLES, cells, widths, strict=True)
        ]
        screen.print(Text("  ".join(padded).rstrip(), style=style))


def _cells(run: StoredRun, odd: Mapping[str, Any]) -> tuple[str, ...]:
    from rich.filesize import decimal

    spec = run.record.spec if run.record else None
    return (
        run.id,
        run.model,
        _domains(spec) if spec else "-",
        str(spec.seed) if spec else "-",
        f"{run.dataset} {run.record.dataset.fingerprint[:8]}" if run.record else run.dataset,
        run.status,
        "-" if run.auc is None else f"{run.auc:.4f}",
        f"{run.when:%Y-%m-%d %H:%M}",
        decimal(run.size),
        run.version or "-",
        _shortened(", ".join(f"{key}={json.dumps(value)}" for key, value in odd.items())),
    )


def _domains(spec: RunSpec) -> str:
    base = f" added to {'+'.join(spec.base.domains)}" if spec.base is not None else ""
    return "+".join(spec.domains) + base


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[: _MOST - 3]}..."


def as_json(run: StoredRun, odd: Mapping[str, Any]) -> dict[str, Any]:
    """The same for programs, in full."""
    record = run.record
    return {
        "id": run.id,
        "path": str(run.folder.path),
        "model": run.model,
        "dataset": run.dataset,
        "fingerprint": record.dataset.fingerprint if record else None,
        "domains": list(record.spec.domains) if record else None,
        "seed": record.spec.seed if record else None,
        "limit": record.spec.limit if record else None,
        "config": record.spec.config if record else None,
        "train": record.spec.train if record else None,
        "odd": dict(odd),
        "status": run.status,
        "error": record.error if record else str(run.fault) if run.fault else None,
        "auc": run.auc,
        "when": run.when.isoformat(),
        "bytes": run.size,
        "ctrbench": run.version,
    }
