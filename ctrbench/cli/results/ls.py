"""`ctrbench results ls`."""

from __future__ import annotations

import argparse
import json

from ctrbench.bench.odd import odd_settings
from ctrbench.bench.results import choose, stored_runs
from ctrbench.cli.results import options

HELP = (
    "One line per run: what it is of, how it ended, its size, its test AUC (the mean over the domains that it was "
    "trained on), its --limit, and settings that most stored runs of its model have otherwise."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Which runs, and the format."""
    options.add_results(parser)
    options.add_choice(parser)
    parser.add_argument("--json", action="store_true", help="a list of objects, for programs")


def run(args: argparse.Namespace) -> int:
    """Exit code 0, also where nothing is listed."""
    every = stored_runs(args.results)
    runs, odd = choose(every, **options.choice(args)), odd_settings(every)
    if args.json:
        print(json.dumps([options.as_json(run, odd.get(run.folder.path, {})) for run in runs], indent=2))
    elif runs:
        options.print_runs(runs, odd)
    else:
        print(f"There is no such run in {args.results}.")
    return 0
