"""`ctrbench results ls`."""

from __future__ import annotations

import argparse
import json

from ctrbench.bench.results import choose, stored_runs
from ctrbench.cli.results import options

HELP = "One line per run: what it is of, how it ended, its mean test AUC over its own domains, and its size."


def configure(parser: argparse.ArgumentParser) -> None:
    """Which runs, and the format."""
    options.add_results(parser)
    options.add_choice(parser)
    parser.add_argument("--json", action="store_true", help="a list of objects, for programs")


def run(args: argparse.Namespace) -> int:
    """Exit code 0, also where nothing is listed."""
    runs = choose(stored_runs(args.results), **options.choice(args))
    if args.json:
        print(json.dumps([options.as_json(run) for run in runs], indent=2))
    elif runs:
        options.print_runs(runs)
    else:
        print(f"There is no such run in {args.results}.")
    return 0
