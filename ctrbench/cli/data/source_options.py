"""`-o KEY=VALUE`: options of a source and of the preparation, on one command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ctrbench.cli.arguments import key_value, scale
from ctrbench.errors import ConfigError
from ctrbench.validation import explain

if TYPE_CHECKING:
    from ctrbench.data.prepare import PrepareOptions


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


def split_options(pairs: Sequence[tuple[str, Any]], of_source: set[str]) -> tuple[PrepareOptions, dict[str, Any]]:
    """`key=value` pairs as preparation options and the source's own; a source's name for an option wins."""
    from pydantic import ValidationError

    from ctrbench import registry
    from ctrbench.data.prepare import PrepareOptions

    general: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for key, value in pairs:
        if key not in of_source and key not in PrepareOptions.model_fields:
            known = registry.suggest(key, of_source | set(PrepareOptions.model_fields))
            raise ConfigError(f"-o {key}={value}: there is no option {key!r}.{known}")
        (own if key in of_source else general)[key] = value
    try:
        return PrepareOptions.model_validate(general), own
    except ValidationError as error:
        raise ConfigError(explain(error, PrepareOptions, "-o")) from None
