"""Options that the table verbs share."""

from __future__ import annotations

import argparse
from pathlib import Path

from ctrbench.bench.spec import PROFILES
from ctrbench.cli.arguments import one_of, positive, seeds, words
from ctrbench.cli.data.source_options import add_preparation_options, add_source_options
from ctrbench.report.export import FIGURES, NAME, TABLES, named
from ctrbench.report.measures import AUC, METRICS
from ctrbench.report.render import FORMATS


def add_tables(parser: argparse.ArgumentParser, nargs: str = "+") -> None:
    """The positional TABLE, one or more."""
    parser.add_argument(
        "tables",
        metavar="TABLE",
        nargs=nargs,
        help="a table's name (see `ctrbench list tables`), a .toml file, or `all`; several share their runs",
    )


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
    parser.add_argument("--limit", type=positive, metavar="N", help="only the latest N rows per domain and split")
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


def add_claims(parser: argparse.ArgumentParser) -> None:
    """Whether the paper's claims are tested."""
    parser.add_argument(
        "--claims", action="store_true", help="also test what the paper says of the table, here and on its own numbers"
    )


def add_trackers(parser: argparse.ArgumentParser) -> None:
    """Where else runs are kept."""
    parser.add_argument(
        "--tracker",
        action="append",
        default=[],
        metavar="NAME",
        help="also tell every run to tensorboard or mlflow, in files under --results/trackers; may be repeated",
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    """How the table is printed, and files that it goes to, too."""
    parser.add_argument(
        "--format",
        type=one_of(FORMATS),
        default="table",
        metavar="F",
        help=f"{', '.join(FORMATS)} (default: table)",
    )
    parser.add_argument(
        "--save",
        action="append",
        default=[],
        type=named,
        metavar="FILE",
        help=f"also write the table ({', '.join(TABLES)}) or its figure ({', '.join(FIGURES)}); may be repeated; "
        f"{NAME} in it stands for the table's name",
    )
    parser.add_argument("--figure", metavar="NAME", help="which figure to save, where a table has several")


def add_metric(parser: argparse.ArgumentParser) -> None:
    """Which metric is shown."""
    parser.add_argument(
        "--metric",
        type=one_of(METRICS),
        default=AUC.name,
        metavar="M",
        help=f"{', '.join(METRICS)} (default: auc), from the stored predictions; all: the AUC, and every metric in "
        "what is exported",
    )
