"""`ctrbench results verify`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from ctrbench.cli.results import options

if TYPE_CHECKING:
    from ctrbench.bench.verify_folder import Finding

HELP = (
    "Check every run: its record, whether its metrics come out of its predictions again, and its test rows. "
    "Exit code 1 when something is wrong; what is only left over is a note."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """The folder, and what to do with leftovers."""
    options.add_results(parser)
    parser.add_argument("--clean", action="store_true", help="remove what killed processes left behind")
    parser.add_argument("--json", action="store_true", help="one object, for programs")


def run(args: argparse.Namespace) -> int:
    """One line per finding, those that many runs share once, and how many runs there are."""
    from ctrbench.bench.results import stored_runs
    from ctrbench.bench.verify import Verifier

    verifier, found = Verifier(args.clean), list["Finding"]()
    runs = stored_runs(args.results)
    for one in runs:
        found += _told(list(verifier.run(one)), args)
    found += _told([*verifier.removals(args.results), *verifier.not_compared(args.results)], args)
    faults = sum(finding.level == "fault" for finding in found)
    if args.json:
        listed = [{"path": str(f.path), "level": f.level, "text": f.text, "remedy": f.remedy} for f in found]
        print(json.dumps({"runs": len(runs), "faults": faults, "findings": listed}, indent=2))
    else:
        print(f"{_number(len(runs), 'run')}, {_number(faults, 'fault')}, {_number(len(found) - faults, 'note')}.")
    return int(faults > 0)


def _told(found: list[Finding], args: argparse.Namespace) -> list[Finding]:
    """The findings, printed as they come, where people read."""
    for finding in found:
        if not args.json and (finding.level == "fault" or not args.quiet):
            remedy = f"; {finding.remedy}" if finding.remedy else ""
            print(f"{finding.level}: {finding.path} {finding.text}{remedy}", flush=True)
    return found


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
