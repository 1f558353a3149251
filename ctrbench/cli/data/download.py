"""`ctrbench data download`: a source's published files, from where they are published."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ctrbench.cli.arguments import words
from ctrbench.cli.data.source_options import add_source_options, as_mapping, with_domains
from ctrbench.errors import ConfigError

if TYPE_CHECKING:
    from ctrbench.data.source import DatasetSource


def configure(parser: argparse.ArgumentParser) -> None:
    """Source, place, and which of its domains."""
    parser.description = (
        "Fetch a source's published files, each whole or not at all. What is there is left alone, and what was"
        " interrupted goes on where it stopped."
    )
    parser.add_argument("source", help="a registered dataset, as `ctrbench list datasets` names it")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the folder to put the files into")
    parser.add_argument("--domains", type=words, metavar="A,B", help="the domains to fetch, where they come one by one")
    parser.add_argument(
        "--mirror",
        metavar="URL",
        help="another server: takes the place of the part of each address that is printed as `from`",
    )
    add_source_options(parser, "an option of the source")


def run(args: argparse.Namespace) -> int:
    """Say what will come, on whose terms, and bring it."""
    from ctrbench.cli.data.downloading import watching
    from ctrbench.data.asking import asking
    from ctrbench.data.download import download
    from ctrbench.data.resolve import load_source

    source = load_source(args.source, _options(args))
    files = source.remote_files()
    if not files:
        if args.mirror:
            raise ConfigError(f"--mirror {args.mirror}: the dataset {args.source!r} has no files to download")
        with asking(args.source, args.root, "a download"):
            source.download(args.root)
    else:
        print(_terms(source), flush=True)
        with watching(sys.stderr, quiet=args.quiet) as listener:
            download(files, args.root, mirror=args.mirror, listener=listener)
    print(f"{args.root} holds the files of {args.source}")
    print(f"`ctrbench data prepare {args.source} --root {args.root} --out DIR` prepares them")
    return 0


def _options(args: argparse.Namespace) -> dict[str, object]:
    """Those of `-o`, and `--domains` under the name that the source has for it."""
    from ctrbench.data.resolve import check_scale
    from ctrbench.data.taken import source_class

    kind = source_class(args.source)
    options = as_mapping(with_domains(args.options, args.domains, args.source, kind))
    check_scale(options, kind.Options.model_fields)
    return options


def _terms(source: DatasetSource) -> str:
    told = {"terms": source.terms, "cite": source.citation}
    told["from"] = ", ".join(dict.fromkeys(file.base for file in source.remote_files()))
    return "\n".join(f"{key + ':':6} {text}" for key, text in told.items() if text)
