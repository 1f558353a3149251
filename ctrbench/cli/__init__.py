"""The command line: one module per verb, imported only when it is the one that was asked for.

A verb's module has `HELP`, `configure(parser)` and `run(args) -> int` (the exit code).
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from ctrbench._version import __version__
from ctrbench.cli.arguments import add_global
from ctrbench.deprecations import CtrbenchDeprecation
from ctrbench.errors import ConfigError, CtrbenchError, LostProcess
from ctrbench.spelling import suggest
from ctrbench.training import launched
from ctrbench.training.memory import keep_freed_blocks

VERBS = {
    "run": "run a table: train what is missing, then print it",
    "zero-shot": "score domains that no model was trained on",
    "show": "print what there is of a table; trains nothing",
    "check": "print a table's runs and what they would cost; trains nothing",
    "report": "write tables, figures and runs as a static site; trains nothing",
    "list": "list models, datasets, backbones and tables",
    "doctor": "look at environment, devices, plugins and caches, and say what is to be mended",
    "data": "download and prepare datasets, and look at what they hold",
    "new": "write a package with a plugin of your own, to begin with",
    "results": "list, check and remove the runs of a results folder",
}
_QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_VERBOSITY": "error",
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
}
_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "true"}
"""Threads that wait without spinning: where cores are shared, spinning makes training many times slower. Nothing here
forks, which is what tokenizers fear."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 done, 1 some run failed, 2 a mistake, 130 interrupted."""
    # Not list(...): once the verb `list` is imported, that name is the module's.
    code = _code_of([*(sys.argv[1:] if argv is None else argv)])
    if argv is None and launched.count() > 1:
        # The program itself: connections that another process closed first abort Python on its way out, sometimes.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _code_of(arguments: list[str]) -> int:
    debug = "--debug" in arguments
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
        return code
    except LostProcess as error:
        # The process that started this one knows which one is gone.
        return launched.LOST if error.elsewhere and launched.by_ctrbench() else _fail(str(error), debug)
    except CtrbenchError as error:
        return _fail(str(error), debug, said=error.elsewhere)
    except KeyboardInterrupt as stop:
        if launched.rank() == 0:
            what_next = str(stop) or "the same command resumes where it stopped"
            print(f"\nctrbench: interrupted; {what_next}", file=sys.stderr)
        # An interrupt inside of some library's exec(), as in imports, makes Python end by SIGINT though it was caught
        # here; the next exec() lets it forget.
        exec("")
        return 130
    except BrokenPipeError:
        # Nobody reads any more; without this, Python complains once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _fail(f"{error.strerror or error}{where}; is the place there, and writable?", debug)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0


def _dispatch(arguments: Sequence[str]) -> int:
    verb = next((word for word in arguments if not word.startswith("-")), None)
    if verb is not None and verb not in VERBS:
        raise ConfigError(f"unknown command {verb!r}.{suggest(verb, VERBS)}")
    parser = _parser(verb)
    args, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise ConfigError(_unknown_argument(_innermost(parser, arguments), unknown[0]))
    if verb is None:
        parser.print_help()
        return 0
    args.command_line = arguments
    args.quiet = args.quiet or launched.rank() > 0  # one of several processes speaks for all
    _set_up(args)
    with warnings.catch_warnings():
        if not (args.debug or args.verbose):
            warnings.simplefilter("ignore")
        if not args.quiet:  # users can tell it to the authors of their plugins
            warnings.simplefilter("default", CtrbenchDeprecation)
        return int(_module(verb).run(args))


def _parser(verb: str | None) -> argparse.ArgumentParser:
    """The whole parser, of which only the chosen verb's part is filled in."""
    parser = _Parser(
        prog="ctrbench",
        description="Multi-domain CTR prediction: a language model (Uni-CTR) beside ID-based models.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"ctrbench {__version__}")
    add_global(parser, default=False)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for name, text in VERBS.items():
        description = _module(name).HELP if name == verb else None
        one = commands.add_parser(name, help=text, description=description, allow_abbrev=False)
        if name == verb:
            _module(name).configure(one)
            add_global(one, default=argparse.SUPPRESS)
    return parser


def _innermost(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the command, or of its action, that the words name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            name = next((word for word in words if word in action.choices), None)
            return parser if name is None else _innermost(action.choices[name], words)
    return parser


def _module(verb: str):  # type: ignore[no-untyped-def]  # a module is its own interface
    return import_module(f"ctrbench.cli.{verb.replace('-', '_')}")


def _set_up(args: argparse.Namespace) -> None:
    """Logging, encodings, and libraries that talk too much. In the command only, never on import."""
    level = logging.DEBUG if args.debug else logging.INFO if args.verbose else logging.WARNING
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s") if args.debug else _Said())
    logging.basicConfig(handlers=[handler], level=logging.ERROR if args.quiet else level)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    for name, value in {**_THREADS, **({} if args.debug else _QUIET)}.items():
        os.environ.setdefault(name, value)
    keep_freed_blocks()
    if launched.by_ctrbench():
        import_module("ctrbench.cli.launch").follow()


class _Said(logging.Formatter):
    """`ctrbench: some sentence`, whichever of its modules says it; other packages go by their names."""

    def format(self, record: logging.LogRecord) -> str:
        package = record.name.partition(".")[0]
        return f"{package if package.startswith('ctrbench') else record.name}: {super().format(record)}"


def _unknown_argument(parser: argparse.ArgumentParser, word: str) -> str:
    if not word.startswith("-"):
        return f"{parser.prog}: there is one word too many: {word!r}"
    option = word.partition("=")[0]
    known = [name for action in parser._actions for name in action.option_strings if name.startswith("--")]
    return f"{parser.prog} has no option {option!r}.{suggest(option, known)}"


def _fail(message: str, debug: bool, said: bool = False) -> int:
    """`said`: another process of this command prints the sentence."""
    if debug:
        traceback.print_exc()
    if not said:
        print(f"ctrbench: {message}", file=sys.stderr)
    return 2


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, as everything here does."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message.removeprefix('argument ')} (see `{self.prog} --help`)")
