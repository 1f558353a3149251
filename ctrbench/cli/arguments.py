"""Kinds of arguments: text in, value out, or one sentence on what is wrong with it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

from ctrbench.spelling import suggest
from ctrbench.validation import parse_value


def words(text: str) -> list[str]:
    """`a,b` as a list."""
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found:
        raise argparse.ArgumentTypeError("names are missing; separate them by commas")
    return found


def positive(text: str) -> int:
    """A number from 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def seeds(text: str) -> list[int]:
    """`0,1,2`, or how many: `3` is the same."""
    try:
        numbers = [int(word) for word in text.split(",") if word.strip()]
    except ValueError:
        numbers = []
    listed = "," in text
    if not numbers or len(set(numbers)) < len(numbers) or min(numbers) < (0 if listed else 1):
        raise argparse.ArgumentTypeError(f"{text!r} is neither seeds (0,1,2) nor how many (3)")
    return numbers if listed else list(range(numbers[0]))


def key_value(text: str) -> tuple[str, Any]:
    """`KEY=VALUE`; for values see `parse_value`."""
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"write {text!r} as KEY=VALUE")
    try:
        return key, parse_value(value)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(f"{text}: {fault}") from None


def scale(text: str) -> tuple[str, float]:
    """A size, as the option `scale`."""
    try:
        return "scale", float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def one_of(known: Iterable[str]) -> Callable[[str], str]:
    """A word from a list, with the nearest ones when it is another."""

    def parse(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"unknown value {text!r}.{suggest(text, known)}")
        return text

    return parse


def add_actions(parser: argparse.ArgumentParser, package: str, actions: Mapping[str, str]) -> None:
    """What a verb does, one module of `package` per action, each with its own options."""
    choices = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in actions.items():
        module = import_module(f"{package}.{name}")
        action = choices.add_parser(name, help=text, description=getattr(module, "HELP", None), allow_abbrev=False)
        module.configure(action)
        add_global(action, default=argparse.SUPPRESS)


def add_global(parser: argparse.ArgumentParser, default: bool | str) -> None:
    """Options that may stand before and after a verb, and after its action."""
    parser.add_argument("-q", "--quiet", action="store_true", default=default, help="no progress, only results")
    parser.add_argument("-v", "--verbose", action="store_true", default=default, help="say more")
    parser.add_argument("--debug", action="store_true", default=default, help="show tracebacks, and say everything")
