"""`ctrbench data prepare`: a source's files to a prepared dataset."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ctrbench.cli.arguments import words
from ctrbench.cli.data.source_options import add_preparation_options, add_source_options, split_options, with_domains
from ctrbench.cli.stages import telling
from ctrbench.data.asking import asking
from ctrbench.data.resolve import raw_files
from ctrbench.errors import ConfigError, CtrbenchError, DataError

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
    parser.add_argument("--domains", type=words, metavar="A,B", help="the domains to read, where each has its files")
    parser.add_argument("--strict", action="store_true", help="a bad row is an error")
    parser.add_argument("--overwrite", action="store_true", help="replace a prepared dataset at --out")
    add_source_options(parser, "an option of the source or of the preparation (window, split, middle, …)")
    add_preparation_options(parser)


def run(args: argparse.Namespace) -> int:
    """Prepare, and say what came of it."""
    from ctrbench.data.prepare import prepare
    from ctrbench.data.resolve import load_source
    from ctrbench.data.split import SPLITS
    from ctrbench.data.taken import source_class

    _check_name(args.source)
    kind = source_class(args.source)
    options = with_domains(args.options, args.domains, args.source, kind)
    preparation, of_source = split_options(options, set(kind.Options.model_fields))
    source = load_source(args.source, of_source)
    root = _root(args, source)
    with _near(source, root), telling(quiet=args.quiet) as tell:
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
    for problem in () if args.quiet else data.manifest.problems:
        print(problem_line(problem))
    for domain in data.domains:
        print(f"{domain}: " + ", ".join(f"{data.counts(split)[domain]:,} {split}" for split in SPLITS))
    print(f"prepared {args.out} (fingerprint {data.fingerprint[:12]})")
    print(f"`ctrbench data describe {args.out}` says more")
    return 0


def _check_name(name: str) -> None:
    """Say what to do with a file's name in the place of a dataset's."""
    from ctrbench import registry

    if name not in registry.names("datasets") and Path(name).exists():
        raise ConfigError(
            f"{name} is a file or folder, not a dataset's name: name a dataset (`ctrbench list datasets`) first, and"
            f" give --root {name}"
        )


@contextmanager
def _near(source: DatasetSource, root: Path) -> Iterator[None]:
    """Where a folder lacks the files, name the folder in it that has them."""
    try:
        yield
    except DataError as fault:
        if not root.is_dir() or _has_files(source, root):
            raise
        found = next((path for path in sorted(root.iterdir()) if path.is_dir() and _has_files(source, path)), None)
        if found is None:
            raise
        raise DataError(f"{fault} ({found} holds such files: give that as --root)") from fault


def _has_files(source: DatasetSource, root: Path) -> bool:
    try:
        return bool(source.at(root).inputs(root))
    except (CtrbenchError, OSError):
        return False


def _root(args: argparse.Namespace, source: DatasetSource) -> Path:
    """The folder with the raw files, filled first where the source makes them."""
    if not source.automatic:
        if args.root is None:
            raise ConfigError(f"--root is missing: the folder or file with the data of {args.source}")
        return Path(args.root)
    if args.root is None:
        return raw_files(args.source, source)
    with asking(args.source, args.root, "a download"):
        source.download(args.root)
    return Path(args.root)


def problem_line(problem: Problem) -> str:
    """A problem with its first examples."""
    kind = "left out" if problem.error else "note"
    where = f" [{problem.domain}]" if problem.domain else ""
    told = "".join(f"\n    {example}" for example in problem.examples)
    return f"{kind}{where} {problem.count:,} x {problem.reason}{told}"
