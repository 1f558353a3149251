"""`ctrbench report [TABLE ...] --out DIR`."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ctrbench.bench.spec import Kind
from ctrbench.cli import options
from ctrbench.errors import ConfigError

if TYPE_CHECKING:
    from ctrbench.cli.job import Job
    from ctrbench.cli.jobs import Jobs
    from ctrbench.report.site.asked import Asked
    from ctrbench.report.site.content import Shown, Site

HELP = (
    "Write tables, figures and runs as one static site, which opens from disk: DIR/index.html. Trains nothing."
    " Without a TABLE, all of which there is a record."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """The same options as `show`: they say which runs are meant."""
    options.add_tables(parser, nargs="*")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write")
    options.add_plan(parser)
    parser.set_defaults(trains_nothing=True)


def run(args: argparse.Namespace) -> int:
    """Exit code 0, whatever there is; 2 where one of several tables that were named does not fit."""
    from ctrbench.bench.catalog import ALL
    from ctrbench.cli.jobs import jobs
    from ctrbench.report.site.write import check_place, write

    check_place(args.out)
    named = bool(args.tables)
    args.tables = args.tables or [ALL]
    found = jobs(args)
    site = _site(found, args, named=named)
    write(site, args.out)
    if not args.quiet:
        print(f"wrote {args.out / 'index.html'}: {_number(site.tables, 'table')}; {_counted(site)}", file=sys.stderr)
    return found.tell(quiet=args.quiet) if named else 0


def _counted(site: Site) -> str:
    """`of 59 runs 30 done, 29 missing; 4 others`."""
    from ctrbench.report.site.content import STATUSES

    counted = Counter(run.status for run in site.runs)
    told = ", ".join(f"{counted[status]} {status}" for status in STATUSES if counted[status])
    others = f"; {len(site.others)} stored that no table here has" if site.others else ""
    return f"of {_number(site.runs, 'run')} {told or 'none'}{others}"


def _number(things: Sequence[object], what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"


def _site(found: Jobs, args: argparse.Namespace, *, named: bool) -> Site:
    """The tables that were named; else those of which there is a record, and those that need none beside them."""
    from ctrbench.bench.run import stored
    from ctrbench.report.findings import Findings
    from ctrbench.report.site.content import Shown, Site
    from ctrbench.report.site.others import other_runs

    shown, left_out = [], [(name, "none of its rows is asked for") for name in found.left_out]
    left_out += [(name, sentence) for sentence, names in found.faults.items() for name in names]
    for job in found.jobs:
        findings = Findings(job.plan, stored(job.plan, args.results), args.results, job.data)
        if named or not job.plan.runs or any(record is not None for record in findings.records):
            shown.append(Shown.of(findings, _name(job, args)))
        else:
            left_out.append((job.table.name, "no run is stored that has its settings"))
    others = other_runs(args.results, shown, related=named)
    if not any(each.findings.plan.runs for each in shown) and not others and not named:
        raise ConfigError(
            f"{args.results} holds no record of any table with these options; make one with `ctrbench run TABLE`, or"
            " give the options that it was made with"
        )
    shown.sort(key=_place)
    return Site(shown, sorted(left_out), _asked(args), others)


def _place(shown: Shown) -> tuple[int, bool]:
    """Tables of one kind beside each other, and those that others extend first."""
    table = shown.findings.table
    return get_args(Kind).index(table.kind), table.extends is not None


def _name(job: Job, args: argparse.Namespace) -> str:
    """A table as the command named it: its name, or the path of its file."""
    paths = (word for word in args.tables if word.endswith(".toml") and Path(word).stem == job.table.name)
    return next(paths, job.table.name)


def _asked(args: argparse.Namespace) -> Asked:
    """The words that lead to the same runs."""
    from ctrbench.report.site.asked import Asked

    words: list[str] = []
    for option, value in (
        ("--dataset", args.dataset),
        ("--profile", args.profile if args.profile != "demo" else None),
        ("--domains", ",".join(args.domains or ())),
        ("--limit", args.limit),
    ):
        words += [option, str(value)] if value else []
    words += [word for key, value in args.options for word in ("-o", f"{key}={_toml(value)}")]
    return Asked(tuple(words), tuple(args.target or ()), tuple(args.overrides))


def _toml(value: Any) -> str:
    """A value as `-o KEY=VALUE` takes it."""
    return value if isinstance(value, str) else json.dumps(value, default=str)
