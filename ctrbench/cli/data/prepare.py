"""`ctrbench data prepare`: a source's files to a prepared dataset."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ctrbench.cli.data.source_options import add_preparation_options, add_source_options, split_options
from ctrbench.cli.stages import telling
from ctrbench.data.resolve import raw_files
from ctrbench.errors import ConfigError

if TYPE_CHECKING:
    from ctrbench.data.problems import Problem
    from ctrbench.data.source import DatasetSource


def configure(parser: argparse.ArgumentParser) -> None:
    """Source, places and options."""
    parser.add_argument("source", help="a registered dataset, as `ctrbench list datasets` names it")
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="where the files are (a source that makes its own puts them there)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write")
    parser.add_argument("--strict", action="store_true", help="a bad row is an error")
    parser.add_argument("--overwrite", action="store_true", help="replace a prepared dataset at --out")
    add_source_options(parser, "an option of the source or of the preparation (window, split, middle, …)")
    add_preparation_options(parser)


def run(args: argparse.Namespace) -> int:
    """Prepare, and say what came of it."""
    from ctrbench import registry
    from ctrbench.data.prepare import prepare
    from ctrbench.data.resolve import load_source
    from ctrbench.data.split import SPLITS

    kind = registry.load("datasets", args.source)
    preparation, of_source = split_options(args.options, set(kind.Options.model_fields))
    source = load_source(args.source, of_source)
    root = _root(args, source)
    with telling(quiet=args.quiet) as tell:
        data = prepare(
            source,
            root,
            args.out,
            preparation,
            strict=args.strict,
            overwrite=args.overwrite,
            source_name=args.source,
            progress=tell,
        )
    for problem in data.manifest.problems:
        print(problem_line(problem))
    for domain in data.domains:
        print(f"{domain}: " + ", ".join(f"{data.counts(split)[domain]:,} {split}" for split in SPLITS))
    print(f"prepared {args.out} (fingerprint {data.fingerprint[:12]})")
    print(f"`ctrbench data describe {args.out}` says more")
    return 0


def _root(args: argparse.Namespace, source: DatasetSource) -> Path:
    """The folder with the raw files, filled first where the source makes them."""
    if not source.automatic:
        if args.root is None:
            raise ConfigError(f"--root is missing: the folder with the files of {args.source}")
        return Path(args.root)
    if args.root is None:
        return raw_files(args.source, source)
    source.download(args.root)
    return Path(args.root)


def problem_line(problem: Problem) -> str:
    """A problem with its first examples."""
    kind = "left out" if problem.error else "note"
    where = f" [{problem.domain}]" if problem.domain else ""
    told = "".join(f"\n    {example}" for example in problem.examples)
    return f"{kind}{where} {problem.count:,} x {problem.reason}{told}"
