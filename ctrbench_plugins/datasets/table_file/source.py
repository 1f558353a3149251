"""The source `table_file`: a TOML and the files that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from ctrbench.api import DataError, DatasetSource, Field, Inspection, Problems, Prompt
from ctrbench_plugins.datasets.table_file.prompts import prompts_of
from ctrbench_plugins.datasets.table_file.read_toml import find_toml, read_spec
from ctrbench_plugins.datasets.table_file.spec import HISTORY, Spec
from ctrbench_plugins.datasets.table_file.tables import Opened, open_tables

if TYPE_CHECKING:
    import polars as pl


class TableFile(DatasetSource):
    """A user's own tables. What they are called and what is in them, the TOML says: see docs/own_data.md."""

    api_version = 1
    fields: ClassVar[tuple[Field, ...]] = ()
    prompts: ClassVar[Mapping[str, Prompt]] = {}

    opened: Opened

    def at(self, root: Path) -> Self:
        """The source for the files that the TOML at `root` names; one sentence on the first thing that is wrong."""
        toml = find_toml(root)
        spec = read_spec(toml)
        opened, faults = open_tables(toml, spec)
        if faults:
            raise faults[0]
        made = type(self)(self.options)
        made.opened = opened
        made.name = spec.name or name_of(toml)
        made.fields = fields_of(spec)  # type: ignore[misc]
        made.prompts = prompts_of(opened)  # type: ignore[misc]
        made.domain_titles = spec.domains  # type: ignore[misc]
        return made

    @classmethod
    def inspect(cls, file: Path, beside: Path) -> Inspection | None:
        """What a TOML, or a bare table, is understood as."""
        from ctrbench_plugins.datasets.table_file.inspect import inspect

        return inspect(file, beside)

    def download(self, root: Path) -> None:
        """There is nothing to download."""
        raise DataError("table_file reads files of your own: name the TOML that describes them as --root of `prepare`")

    def inputs(self, root: Path) -> list[Path]:
        """The TOML, then the files that it names."""
        opened = self.opened
        return [opened.toml, *(file.path for table in opened.tables.values() for file in table.files)]

    def interactions(self, root: Path, problems: Problems) -> pl.LazyFrame:
        """The good rows; times are whole seconds."""
        from ctrbench_plugins.datasets.table_file.rows import interactions

        return interactions(self.opened, problems).lazy()

    def items(self, root: Path, problems: Problems) -> pl.LazyFrame:
        """Items with their features."""
        from ctrbench_plugins.datasets.table_file.described import items

        return items(self.opened, problems).lazy()


def name_of(toml: Path) -> str:
    """A dataset's name from that of its TOML."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", toml.stem).strip("_-") or "table"


def fields_of(spec: Spec) -> tuple[Field, ...]:
    """The framework's own fields, and the TOML's features; the framework's history is before any other."""
    own = [Field(name=f.name, kind=f.kind, of=f.of) for f in spec.placed if f.name != HISTORY]
    return (
        Field(name="user", kind="id", of="user"),
        Field(name="item", kind="id", of="item"),
        *(field for field in own if field.kind != "history"),
        Field(name=HISTORY, kind="history", of="user"),
        *(field for field in own if field.kind == "history"),
        Field(name="domain", kind="id", of="context"),
    )
