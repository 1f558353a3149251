"""One plugin, imported: what it is, or what is wrong with it. For `worker` alone, as an import may do anything."""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

from ctrbench.bench import catalog
from ctrbench.bench.spec import TableSpec
from ctrbench.bench.taken import check_model
from ctrbench.conduct.blame import described
from ctrbench.conduct.state import kept
from ctrbench.data.taken import check_source
from ctrbench.errors import CtrbenchError, PluginError
from ctrbench.registry import Plugin

_CHECKS = {"models": check_model, "datasets": check_source}


def examine(**fields: str) -> dict[str, Any]:
    """What an import of `Plugin(**fields)` gives, as JSON:

    `faults` (sentences), `other_api` (whether that is the fault), `api_version` (as it states it), `seconds`, `said`
    (the first line that it printed), `changed` (what of the process, see `conduct.state`), `category` and `about` (the
    """
    plugin = Plugin(**fields)
    if plugin.kind == "tables":
        return _tables(plugin)
    with kept() as changed, _heard() as output:
        start = time.perf_counter()
        try:
            found = plugin.load_unwatched()
        except CtrbenchError as error:
            return {"faults": [str(error)], "other_api": error.__cause__ is None}  # else the import's fault caused it
        facts = {"seconds": time.perf_counter() - start, "said": _first_line(output)}
    about = " ".join((inspect.getdoc(found) or "").partition("\n\n")[0].split())
    category, stated = str(getattr(found, "category", "")), plugin.stated_api(found)
    facts |= {"changed": changed, "category": category, "about": about, "api_version": stated}
    return {**facts, **_checked(plugin, found)}


def _checked(plugin: Plugin, found: Any) -> dict[str, Any]:
    """Whether it is what its kind asks for, as far as that can be seen without calling it."""
    if plugin.kind in _CHECKS:
        try:
            _CHECKS[plugin.kind](plugin, found)
        except PluginError as error:
            return {"faults": [str(error)]}
        return {}
    return {"faults": [] if callable(found) else [f"{described(plugin)} is no function; {_advice(plugin)}"]}


def _advice(plugin: Plugin) -> str:
    return f"repair, update or uninstall {plugin.distribution}"


def _tables(plugin: Plugin) -> dict[str, Any]:
    """Every spec is read, as `run` does, without an import; one that is faulty hides none of the others."""
    faults, stated = [], None
    try:
        stated = catalog.stated_api(catalog.folder_of(plugin))
        files = catalog.files(plugin)
    except PluginError as error:
        return {"faults": [str(error)], "other_api": stated is not None}
    for file in files:
        try:
            TableSpec.read(file)
        except CtrbenchError as error:
            faults.append(f"the table {file.stem!r} of {plugin.origin} cannot be used ({error}); {_advice(plugin)}")
    return {"tables": {file.stem: str(file) for file in files}, "faults": faults, "api_version": stated}


@contextmanager
def _heard() -> Iterator[BinaryIO]:
    """What is written to stdout meanwhile, be it by C code."""
    _flush()
    with _paper() as output:
        before = os.dup(1)
        os.dup2(output.fileno(), 1)
        try:
            yield output
        finally:
            os.dup2(before, 1)
            os.close(before)


def _paper() -> BinaryIO:
    """A file to write on; without room for one, what is written is lost."""
    try:
        return cast("BinaryIO", TemporaryFile())
    except OSError:
        return open(os.devnull, "r+b")


def _first_line(output: BinaryIO) -> str:
    _flush()
    output.seek(0)
    return next((line for raw in output if (line := raw.decode(errors="replace").strip())), "")


def _flush() -> None:
    with suppress(Exception):  # a plugin may have put anything in its place
        sys.stdout.flush()
