"""What the promises of tables are tested on: a package, and the specs in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import ClassVar
from unittest.mock import patch

from ctrbench.bench import catalog
from ctrbench.bench.spec import TableSpec
from ctrbench.errors import ConfigError
from ctrbench.registry import Plugin
from ctrbench.testing.promises import Kit


class TableSubject(Kit):
    """A package with `*.toml` specs; `TableTests` derives from it."""

    _group = "tables"
    _names_it = "tables"
    _example = '"my_package.tables"'
    tables: ClassVar[str]
    """The package's name, with dots."""

    @classmethod
    def _load(cls) -> list[Path]:
        """The specs' files, found as the registry's are; `PluginError` where there is no such package."""
        return catalog.files(Plugin("tables", cls.tables, cls.tables, cls.__name__, ""))

    @classmethod
    def _target(cls) -> ModuleType:
        """The package itself."""
        return import_module(cls.tables)

    @classmethod
    @cache
    def _specs(cls) -> tuple[TableSpec, ...]:
        """The specs that can be read; that all can is a promise of its own."""
        found = []
        for file in cls._load():
            try:
                found.append(TableSpec.read(file))
            except ConfigError:
                continue
        return tuple(found)


@contextmanager
def cache_of_its_own() -> Iterator[None]:
    """Within, what is prepared or computed goes to a folder that is removed again."""
    with TemporaryDirectory() as folder, patch.dict("os.environ", CTRBENCH_CACHE=folder):
        yield
