"""One plugin, imported: what it is, or what is wrong with it. For `worker` alone, as an import may do anything."""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from types import ModuleType
from typing import Any, BinaryIO, cast

from ctrbench.bench import catalog
from ctrbench.bench.facts import check_contract
from ctrbench.bench.spec import TableSpec
from ctrbench.conduct.blame import described
from ctrbench.conduct.state import kept
from ctrbench.data.source import DatasetSource
from ctrbench.errors import CtrbenchError, PluginError
from ctrbench.registry import Plugin


def examine(**fields: str) -> dict[str, Any]:
    """What an import of `Plugin(**fields)` gives, as JSON:

    `faults` (sentences), `other_api` (whether that is the fault), `api_version` (as it states it), `seconds`, `said`
    (the first line that it printed), `changed` (what of the process, see `conduct.state`), `category` and `about` (the
    first line of its docstring), and of a package of tables the file of each, by name.
    """
    plugin = Plugin(**fields)
    with kept() as changed, _heard() as output:
        start = time.perf_counter()
        try:
            found = plugin.load_unwatched()
        except CtrbenchError as error:
            return {"faults": [str(error)], "other_api": error.__cause__ is None}  # else the import's fault caused it
        facts = {"seconds": time.perf_counter() - start, "said": _first_line(output)}
    about = "" if isinstance(found, ModuleType) else (inspect.getdoc(found) or "").partition("\n")[0]
    category, stated = str(getattr(found, "category", "")), plugin.stated_api(found)
    facts |= {"changed": changed, "category": category, "about": about, "api_version": stated}
    return {**facts, **_checked(plugin, found)}


def _checked(plugin: Plugin, found: Any) -> dict[str, Any]:
    """Whether it is what its kind asks for, as far as that can be seen without calling it."""
    if plugin.kind == "tables":
        return _tables(plugin)
    if plugin.kind == "models":
        try:
            check_contract(plugin, found)
        except PluginError as error:
            return {"faults": [str(error)]}
        return {}
    lack = _no_source(found) if plugin.kind == "datasets" else "" if callable(found) else "is no function"
    return {"faults": [f"{described(plugin)} {lack}; {_advice(plugin)}"] if lack else []}


def _no_source(found: Any) -> str:
    """What keeps an object from being a source, or nothing."""
    if not (isinstance(found, type) and issubclass(found, DatasetSource)):
        return "is no DatasetSource"
    lacking = sorted(found.__abstractmethods__)
    return f"has no {' and no '.join(lacking)}, as a DatasetSource must" if lacking else ""


def _advice(plugin: Plugin) -> str:
    return f"repair, update or uninstall {plugin.distribution}"


def _tables(plugin: Plugin) -> dict[str, Any]:
    """Every spec is read; one that is faulty hides none of the others."""
    faults = []
    try:
        files = catalog.files(plugin)
    except CtrbenchError as error:
        return {"faults": [str(error)]}
    for file in files:
        try:
            TableSpec.read(file)
        except CtrbenchError as error:
            faults.append(f"the table {file.stem!r} of {plugin.origin} cannot be used ({error}); {_advice(plugin)}")
    return {"tables": {file.stem: str(file) for file in files}, "faults": faults}


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
