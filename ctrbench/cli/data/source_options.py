"""`-o KEY=VALUE`: options of a source and of the preparation, on one command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ctrbench.cli.arguments import key_value, scale
from ctrbench.errors import ConfigError

if TYPE_CHECKING:
    from ctrbench.data.options import PrepareOptions
    from ctrbench.data.source import DatasetSource


def add_source_options(parser: argparse.ArgumentParser, text: str) -> None:
    """`-o KEY=VALUE`, and `--scale N`, which is short for `-o scale=N`."""
    parser.add_argument(
        "-o", dest="options", type=key_value, action="append", default=[], metavar="KEY=VALUE", help=text
    )
    parser.add_argument(
        "--scale",
        dest="options",
        type=scale,
        action="append",
        metavar="N",
        help="the size of a dataset that is made to order (1 is its usual size)",
    )


def add_preparation_options(parser: argparse.ArgumentParser) -> None:
    """Options of the preparation that have a name of their own, each short for an `-o KEY=VALUE`."""
    for name, key, metavar, text in (
        (
            "--split",
            "split",
            "RULE",
            "which rows are the test rows: the last in `time` (default) or `global_time`, or `random` ones",
        ),
        ("--split-seed", "split_seed", "N", "which rows a random split draws"),
        (
            "--domain-by",
            "domain_by",
            "RULE",
            "other domains than the dataset's own: `new_user`, `user_group`, or a column's values (`column:NAME`)",
        ),
    ):
        short = f"{text}; short for `-o {key}={metavar}`"
        parser.add_argument(
            name, dest="options", type=partial(_pair, key), action="append", metavar=metavar, help=short
        )
    parser.add_argument(
        "--global-cutoff",
        dest="options",
        action="append_const",
        const=("split", "global_time"),
        help="cut all domains at the same two moments, so that no training history shows another domain's test"
        " period; short for `-o split=global_time`",
    )


def _pair(key: str, value: str) -> tuple[str, str]:
    return key, value


def as_mapping(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """`key=value` pairs as a mapping; `ConfigError` where a key is given two values."""
    options: dict[str, Any] = {}
    for key, value in pairs:
        if options.setdefault(key, value) != value:
            raise ConfigError(f"{key} is given twice, as {options[key]} and as {value}: leave one out")
    return options


def with_domains(
    pairs: Sequence[tuple[str, Any]], domains: Sequence[str] | None, name: str, kind: type[DatasetSource]
) -> list[tuple[str, Any]]:
    """`key=value` pairs, and the value of `--domains` under the name that the source has for it.

    Raises `ConfigError` for a source that has no such option, and where the option is given, too.
    """
    if domains is None:
        return list(pairs)
    option = kind.domains_option
    if option is None:
        raise ConfigError(f"--domains: the domains of {name!r} come together; leave the option out")
    if any(key == option for key, _ in pairs):
        raise ConfigError(f"--domains and -o {option}=… say the same: leave one out")
    return [*pairs, (option, tuple(domains))]


def split_options(pairs: Sequence[tuple[str, Any]], of_source: set[str]) -> tuple[PrepareOptions, dict[str, Any]]:
    """`key=value` pairs as preparation options and the source's own; see `ctrbench.data.resolve.sort_options`."""
    from ctrbench.data.resolve import sort_options

    return sort_options(as_mapping(pairs), of_source)
