"""What the promises of a source are tested on: the source, small raw files, and what it makes of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, NamedTuple

import polars as pl
import pytest

from ctrbench.data.prepare import prepare
from ctrbench.data.problems import Problems
from ctrbench.data.source import DatasetSource
from ctrbench.data.store import PreparedDataset
from ctrbench.testing.promises import Kit, configured
from ctrbench.testing.sources.lines import without_rows

KEYS = ("user", "item", "time")
"""Columns that tell a row of interactions."""
PLACES = ("_file", "_line")
"""Columns that may say where a row stands in the raw files."""


class Tables(NamedTuple):
    """What a source gives, collected."""

    rows: pl.DataFrame
    items: pl.DataFrame
    problems: Problems


class SourceSubject(Kit):
    """A source with its options, and raw files for it; `SourceTests` derives from it."""

    _group = "datasets"
    _names_it = "source"
    _example = "MySource"
    source: ClassVar[type[DatasetSource] | str]
    """The class, or the name under which it is registered."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Of the source; a small scale keeps the tests quick."""

    @classmethod
    def _kind(cls) -> type[DatasetSource]:
        """The source's class."""
        kind: type[DatasetSource] = cls._target()
        return kind

    @classmethod
    def _load(cls) -> DatasetSource:
        """A source with these options; `PluginError` where they are not its own."""
        kind = cls._kind()
        return kind(configured(kind.Options, cls.options, f"{cls.__name__}.options, for {kind.__name__}"))

    @classmethod
    def _makes_its_files(cls) -> bool:
        """Whether its `download` needs neither the user nor a network."""
        source = cls._load()
        return source.automatic and not source.remote_files()

    def raw_files(self, folder: Path) -> None:
        """Write small, good raw files into `folder`, which is there and empty; override it where nothing makes them."""
        if not self._makes_its_files():
            pytest.fail(
                f"{type(self).__name__} has no raw files for {self._called()}: let its method "
                "`raw_files(self, folder)` write small, good ones into the folder",
                pytrace=False,
            )
        self._load().download(folder)

    def raw_files_until(self, folder: Path, time: float) -> None:
        """Write the same raw files without the rows after `time` (seconds) into `folder`, which is not there yet.

        This one leaves out the lines of text that hold user and item of such a row. Override it for other formats.
        """
        shutil.copytree(self._raw(), folder)
        late = self._tables().rows.filter(pl.col("time") > time).select(KEYS)
        without_rows([folder / path.relative_to(self._raw()) for path in self._inputs()], late)

    @classmethod
    @cache
    def _temporary(cls) -> TemporaryDirectory[str]:
        return TemporaryDirectory()

    @classmethod
    def teardown_class(cls) -> None:
        """Remove the files, and forget what was made of them."""
        cls._temporary().cleanup()
        for made in (cls._temporary, cls._raw, cls._tables, cls._prepared):
            made.cache_clear()

    @classmethod
    @cache
    def _raw(cls) -> Path:
        """The folder with the raw files, written once."""
        folder = Path(cls._temporary().name, "raw")
        folder.mkdir()
        cls().raw_files(folder)
        return folder

    @classmethod
    def _inputs(cls) -> list[Path]:
        """The files that it reads."""
        return cls._load().at(cls._raw()).inputs(cls._raw())

    @classmethod
    @cache
    def _tables(cls) -> Tables:
        """What the source gives of the raw files."""
        return read(cls._load(), cls._raw())

    @classmethod
    @cache
    def _prepared(cls) -> PreparedDataset:
        """The raw files, prepared as every dataset is."""
        name = cls.source if isinstance(cls.source, str) else cls.source.__name__.lower()
        return prepare(cls._load(), cls._raw(), Path(cls._temporary().name, "prepared"), source_name=name)


def read(source: DatasetSource, root: Path, *, items_first: bool = True) -> Tables:
    """Both tables, in the order in which a preparation asks for them or in the other."""
    source, problems = source.at(root), Problems()
    source.inputs(root)
    if items_first:
        items = source.items(root, problems).collect()
        return Tables(source.interactions(root, problems).collect(), items, problems)
    rows = source.interactions(root, problems).collect()
    return Tables(rows, source.items(root, problems).collect(), problems)
