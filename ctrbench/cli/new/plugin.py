"""`ctrbench new plugin NAME --kind KIND`: a package of one's own, to install and to change."""

from __future__ import annotations

import argparse
from pathlib import Path

from ctrbench.cli.arguments import one_of
from ctrbench.scaffold.kinds import KINDS

HELP = """Write a package with a plugin and its tests, which pass as it stands. NAME my-fm makes the distribution my-fm,
the package my_fm, and a plugin my_fm."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Name, kind and place."""
    parser.add_argument("name", metavar="NAME", help="letters, digits, - and _, such as my-fm")
    parser.add_argument("--kind", type=one_of(KINDS), required=True, metavar="KIND", help=f"one of {', '.join(KINDS)}")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the folder to write (default: ./NAME)")


def run(args: argparse.Namespace) -> int:
    """Write it, and say what to do next."""
    from ctrbench.scaffold.write import write

    written = write(args.name, args.kind, args.out)
    print(f"wrote {written.folder}: {written.what}")
    if not args.quiet:
        print("next:")
        for line in written.next_steps:
            print(f"  {line}")
    return 0
