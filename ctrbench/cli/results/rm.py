"""`ctrbench results rm`."""

from __future__ import annotations

import argparse
import sys

from ctrbench.bench.odd import odd_settings
from ctrbench.bench.results import choose, remove, stored_runs
from ctrbench.cli.results import options
from ctrbench.errors import ConfigError

HELP = "Remove runs with all their files, after asking. One that a process is at stays, and the exit code is 1 then."


def configure(parser: argparse.ArgumentParser) -> None:
    """Which runs, and whether to ask."""
    parser.add_argument("ids", nargs="*", metavar="ID", help="a run's id (see `ctrbench results ls`), or its start")
    options.add_results(parser)
    options.add_choice(parser)
    parser.add_argument("--failed", action="store_const", const="failed", dest="status", help="--status failed")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    """Show what would go, ask, and remove it."""
    chosen = options.choice(args)
    if not args.ids and all(value is None for value in chosen.values()):
        raise ConfigError("say which runs: their ids, or --failed, --model, --dataset, --status or --older-than")
    every = stored_runs(args.results)
    runs = choose(every, ids=args.ids, **chosen)
    if not runs:
        print(f"There is no such run in {args.results}.")
        return 0
    if not args.quiet or not args.yes:
        options.print_runs(runs, odd_settings(every))
    if not (args.yes or _agreed(len(runs), sum(run.size for run in runs))):
        print("Nothing was removed.")
        return 0
    kept = [run for run in runs if not remove(run)]
    for run in kept:
        print(f"ctrbench: a process is at run {run.id}, which stays", file=sys.stderr)
    if not args.quiet:
        print(f"Removed {len(runs) - len(kept)} of {len(runs)}.")
    return int(bool(kept))


def _agreed(count: int, size: int) -> bool:
    from rich.filesize import decimal

    what = f"{'this run' if count == 1 else f'these {count} runs'} ({decimal(size)})"
    if not sys.stdin.isatty():
        raise ConfigError(f"nobody is there to ask whether to remove {what}; add --yes")
    try:
        return input(f"Remove {what}? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
