"""Options that the table verbs share, and what they amount to."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctrbench import registry
from ctrbench.bench.settings import parse_overrides
from ctrbench.bench.spec import PROFILES, TableSpec
from ctrbench.cli.arguments import one_of, positive, seeds, words
from ctrbench.cli.data.source_options import add_preparation_options, add_source_options, as_mapping
from ctrbench.cli.stages import telling
from ctrbench.errors import ConfigError
from ctrbench.report.render import FORMATS

if TYPE_CHECKING:
    from ctrbench.bench.plan import Plan
    from ctrbench.data.store import PreparedDataset


@dataclass(frozen=True)
class Job:
    """A table, its data, and the plan that follows from the options."""

    table: TableSpec
    data: PreparedDataset
    plan: Plan


def add_table(parser: argparse.ArgumentParser) -> None:
    """The positional TABLE."""
    parser.add_argument("table", metavar="TABLE", help="a table's name (see `ctrbench list tables`), or a .toml file")


def add_plan(parser: argparse.ArgumentParser) -> None:
    """What decides the runs."""
    parser.add_argument("--dataset", metavar="NAME_OR_DIR", help="a prepared folder, or a dataset that needs no files")
    add_source_options(parser, "an option of a dataset that needs no files, or of its preparation; may be repeated")
    add_preparation_options(parser)
    parser.add_argument(
        "--profile", type=one_of(PROFILES), default="demo", metavar="P", help="demo (default), small or paper"
    )
    parser.add_argument("--models", type=words, metavar="A,B", help="only these models")
    parser.add_argument("--domains", type=words, metavar="A,B", help="train on these domains")
    parser.add_argument("--target", type=words, metavar="D", help="the unseen domains of a zero-shot table")
    parser.add_argument(
        "--seeds", type=seeds, metavar="S", help="seeds 0,1,2; or how many: 3 (a single seed 7 is written 7,)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the latest N rows per domain and split")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="MODEL.PART.KEY=VALUE",
        dest="overrides",
        help="change a setting: --set MODEL.train.epochs=3, --set MODEL.config.KEY=VALUE",
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="where runs are kept (./results)"
    )


def add_processes(parser: argparse.ArgumentParser) -> None:
    """How many processes train together on this machine."""
    parser.add_argument(
        "--processes",
        type=positive,
        default=1,
        metavar="N",
        help="train in N processes of this machine (1), e.g. one per GPU; several machines: `accelerate launch`",
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    """How the table is printed."""
    parser.add_argument(
        "--format",
        type=one_of(FORMATS),
        default="table",
        metavar="F",
        help="table (default), md, csv or json",
    )


def job(args: argparse.Namespace, table: str) -> Job:
    """Table, data and plan; mistakes that need no data to be seen are found before it is touched."""
    for place in (args.results, *args.results.parents):
        if place.is_file():
            which = "" if place == args.results else f": {place}"
            raise ConfigError(f"--results {args.results}{which} is a file; name a folder")
    spec = TableSpec.find(table)
    overrides = parse_overrides(args.overrides)
    for model in args.models or spec.models:
        registry.find("models", spec.model_of(model))
    profile = spec.profile(args.profile)
    name = args.dataset or profile.dataset
    if name is None:
        raise ConfigError(f"profile {args.profile!r} of {spec.name} names no dataset; give --dataset NAME_OR_DIR")
    from ctrbench.data.resolve import open_dataset

    with telling(quiet=args.quiet) as tell:
        wanted = {**spec.options, **profile.options, **as_mapping(args.options)}
        data = open_dataset(name, options=wanted, progress=tell)
    from ctrbench.bench.plan import plan

    planned = plan(
        spec,
        data,
        profile=args.profile,
        models=args.models,
        domains=args.domains,
        targets=args.target,
        seeds=args.seeds,
        limit=args.limit,
        overrides=overrides,
    )
    return Job(spec, data, planned)
