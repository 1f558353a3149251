"""The TOML and the files that it names, opened; and in which of them each column is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from ctrbench.api import ConfigError, CtrbenchError, suggest
from ctrbench_plugins.datasets.table_file.files import OwnFile, find_files, open_file, same_columns
from ctrbench_plugins.datasets.table_file.spec import Csv, Files, Placed, Spec

INTERACTIONS, ITEMS, USERS = "interactions", "items", "users"
TO_FILL_IN = "?"
"""What a proposed TOML has for a column that was not found."""


@dataclass(frozen=True)
class Table:
    """Files with the same columns, read as one."""

    name: str
    files: tuple[OwnFile, ...]

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """Names and types; of the first file."""
        return self.files[0].columns

    def __str__(self) -> str:
        first = self.files[0].path.name
        return first if len(self.files) == 1 else f"{first} and {len(self.files) - 1} more"


@dataclass(frozen=True)
class Use:
    """What a column is used as; `key` is where the TOML says so, `places` the tables that may have it, best first."""

    key: str
    column: str
    places: tuple[str, ...]
    feature: Placed | None = None


@dataclass(frozen=True)
class Opened:
    """Everything that is known before rows are read. `at`: each use's table."""

    toml: Path
    spec: Spec
    tables: dict[str, Table]
    at: dict[str, str] = field(default_factory=dict)

    def uses(self) -> Iterator[Use]:
        """What is asked of the files, in the TOML's order."""
        spec, here = self.spec, (INTERACTIONS,)
        columns = spec.columns
        yield Use("columns.user", columns.user, here)
        yield Use("columns.item", columns.item, here)
        yield Use("columns.time", columns.time, here)
        if columns.domain.column is not None:
            yield Use("columns.domain", columns.domain.column, (INTERACTIONS, ITEMS, USERS))
        if columns.label is not None:
            yield Use("columns.label", columns.label.column, here)
        if columns.rating is not None:
            yield Use("columns.rating", columns.rating, here)
        for feature in spec.placed:
            of = {"user": (USERS, INTERACTIONS), "item": (ITEMS,) if spec.items else here, "context": here}[feature.of]
            yield Use(f"features.{feature.of}.{feature.name}", feature.column, of, feature)
        if spec.items is not None:
            yield Use("items.key", spec.items.key or columns.item, (ITEMS,))
        if spec.users is not None:
            yield Use("users.key", spec.users.key or columns.user, (USERS,))

    def columns_of(self, table: str) -> list[str]:
        """The columns that are read from a table, each once."""
        return list(dict.fromkeys(use.column for use in self.uses() if self.at[use.key] == table))

    def dtype(self, key: str) -> pl.DataType:
        """The type of what stands at a key of the TOML."""
        use = next(use for use in self.uses() if use.key == key)
        return self.tables[self.at[key]].columns[use.column]

    def features_of(self, table: str) -> list[Placed]:
        """The features that are read from a table."""
        return [use.feature for use in self.uses() if use.feature is not None and self.at[use.key] == table]


def open_tables(toml: Path, spec: Spec) -> tuple[Opened, list[CtrbenchError]]:
    """Open what the TOML names, as far as that can be done; what is wrong comes as a list, not one at a time."""
    faults: list[CtrbenchError] = []
    tables: dict[str, Table] = {}
    for name, files in ((INTERACTIONS, spec.interactions), (ITEMS, spec.items), (USERS, spec.users)):
        if files is None:
            continue
        try:
            tables[name] = _open(name, files, toml, spec)
        except CtrbenchError as fault:
            faults.append(fault)
    opened = Opened(toml, spec, tables)
    faults += [ConfigError(f"{toml}: {told}") for told in _used_twice(spec)]
    for use in opened.uses():
        if any(place in tables for place in use.places):  # else its file is a fault already
            try:
                opened.at[use.key] = _place(use, opened)
            except ConfigError as fault:
                faults.append(fault)
    for name, table in tables.items():
        wanted = [use.column for use in opened.uses() if opened.at.get(use.key) == name]
        try:
            same_columns(table.files, wanted)
        except CtrbenchError as fault:
            faults.append(fault)
    return opened, faults


def _used_twice(spec: Spec) -> Iterator[str]:
    """A sentence for each feature whose column is something else already: what is predicted, or a key."""
    columns = spec.columns
    target = columns.label.column if columns.label else columns.rating
    here = {columns.user: "user", columns.item: "item", columns.time: "time"}
    keys = {"context": here, "user": here, "item": here}
    for owner, table, key in (("user", spec.users, columns.user), ("item", spec.items, columns.item)):
        if table is not None:
            keys[owner] = {table.key or key: owner}
    for feature in spec.placed:
        where, column = f"features.{feature.of}", feature.column
        if column == target and keys[feature.of] is here:
            yield f"{where}.{feature.name}: the column {target!r} is what models are to predict; leave the feature out"
        elif column in keys[feature.of]:
            known = keys[feature.of][column]
            yield f"column {column!r} is both the {known} and a feature: take it out of [{where}]"


def open_bare(file: Path, csv: Csv) -> Table:
    """A table that no TOML speaks of yet, as the interactions."""
    advice = "check it; a TOML that describes it can say in [csv] how it is written"
    return Table(INTERACTIONS, (open_file(file, csv, advice),))


def _open(name: str, files: Files, toml: Path, spec: Spec) -> Table:
    advice = (
        f'check it; in {toml.name}, [csv] encoding = "latin-1" is for text that is not UTF-8,'
        ' and [csv] quote = "" for quotes that are part of the text'
    )
    return Table(name, tuple(open_file(path, spec.csv, advice) for path in find_files(files, toml)))


def _place(use: Use, opened: Opened) -> str:
    """The first table that has the column and may; `ConfigError` names the nearest columns."""
    tables = opened.tables
    for place in use.places:
        if place in tables and use.column in tables[place].columns:
            return place
    where = " and ".join(str(tables[place]) for place in use.places if place in tables)
    known = [name for place in use.places if place in tables for name in tables[place].columns]
    if use.column == TO_FILL_IN:
        raise ConfigError(
            f"{opened.toml}: {use.key} is still to be filled in: write the name of the column of {where} there"
        )
    elsewhere = INTERACTIONS in tables and use.column in tables[INTERACTIONS].columns
    if use.feature is not None and use.feature.of == "item" and elsewhere:
        raise ConfigError(
            f"{opened.toml}: {use.key} is the column {use.column!r} of {tables[INTERACTIONS]}, not of {where}: move it"
            " to [features.context]"
        )
    raise ConfigError(
        f"{opened.toml}: {use.key} is the column {use.column!r}, which {where} has not.{suggest(use.column, known)}"
    )
