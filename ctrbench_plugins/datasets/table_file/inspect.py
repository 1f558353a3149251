"""What a TOML, or a bare table, is understood as, before anything runs."""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from ctrbench.api import CtrbenchError, InspectedColumn, Inspection, reading
from ctrbench_plugins.datasets.table_file.files import OwnFile, format_of, has_text
from ctrbench_plugins.datasets.table_file.guess import kind_of
from ctrbench_plugins.datasets.table_file.prompts import prompts_of
from ctrbench_plugins.datasets.table_file.propose import propose
from ctrbench_plugins.datasets.table_file.read_toml import find_toml, read_spec
from ctrbench_plugins.datasets.table_file.rows import check_target, clock_of
from ctrbench_plugins.datasets.table_file.spec import Csv
from ctrbench_plugins.datasets.table_file.tables import ITEMS, Opened, Table, Use, open_bare, open_tables

_EXACT = 1_000_000  # rows up to which distinct values are counted; beyond, they are estimated
_EXAMPLES = 3
_LOOKED_AT = 10_000  # rows that examples are taken from


def inspect(file: Path, beside: Path) -> Inspection | None:
    """Of a TOML (or the folder that holds one) all there is to say; of a table, a TOML for the folder `beside`."""
    if file.suffix == ".toml" or (file.is_dir() and any(file.glob("*.toml"))):
        return inspect_toml(find_toml(file))
    if format_of(file) is None or file.is_dir():
        return None
    try:
        table, columns = _bare(file)
    except CtrbenchError as fault:
        return Inspection(wrong=(str(fault),))
    text, roles, missing = propose(table.files[0], beside)
    found = tuple(column.model_copy(update={"role": roles.get(column.name, "not used")}) for column in columns)
    return Inspection(columns=found, wrong=tuple(missing), proposal=text or None)


def _bare(file: Path) -> tuple[Table, list[InspectedColumn]]:
    """A table that no TOML speaks of, as UTF-8; as what Windows writes where it is not, and without quotes where they
    are unlike those of CSV."""
    with reading(file), file.open("rb") as start:
        csv = Csv(encoding="utf-16") if start.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE) else Csv()
    while True:
        try:
            table = open_bare(file, csv)
            return table, columns_of(table, {})
        except CtrbenchError as fault:
            if csv.encoding == "utf-8" and re.search(r"\(.*utf-?8", str(fault)):
                csv = csv.model_copy(update={"encoding": "cp1252"})
            elif csv.quote and re.search(r"\(CSV malformed|\(could not parse", str(fault)):
                csv = csv.model_copy(update={"quote": ""})
            else:
                raise


def inspect_toml(toml: Path) -> Inspection:
    """Columns with their roles and contents, what was understood, and everything that is wrong."""
    try:
        spec = read_spec(toml)
    except CtrbenchError as fault:
        return Inspection(file=toml, wrong=(str(fault),))
    opened, faults = open_tables(toml, spec)
    wrong = [str(fault) for fault in faults]
    columns: list[InspectedColumn] = []
    for name, table in opened.tables.items():
        try:
            columns += columns_of(table, _roles(opened, name))
        except CtrbenchError as fault:
            wrong.append(str(fault))
    empty = _empty(columns)
    wrong += empty + _unread(opened)
    understood = [] if wrong else _understood(opened)
    return Inspection(file=toml, columns=tuple(columns), understood=tuple(understood), wrong=tuple(wrong))


def columns_of(table: Table, roles: Mapping[str, str]) -> list[InspectedColumn]:
    """Every column of a table: its role, nulls, distinct values and the first few of them."""
    rows = pl.concat([file.scan(list(file.columns)).select(shown(file)) for file in table.files], how="diagonal")
    with table.files[0].reading():
        height = rows.select(pl.len()).collect(engine="streaming").item()
        value = pl.all().drop_nulls()
        distinct = value.n_unique() if height <= _EXACT else value.approx_n_unique()
        nulls, counts = (
            rows.select(facts).collect(engine="streaming").row(0, named=True)
            for facts in (pl.all().null_count(), distinct)
        )
        first = rows.head(_LOOKED_AT).collect(engine="streaming")
    return [
        InspectedColumn(
            table=table.name,
            name=name,
            role=roles.get(name, "not used"),
            type=kind_of(dtype) if table.files[0].format == "parquet" else "text",
            rows=height,
            nulls=nulls[name],
            distinct=counts[name],
            examples=tuple(first[name].drop_nulls().unique(maintain_order=True).head(_EXAMPLES)),
        )
        for name, dtype in table.columns.items()
    ]


def shown(file: OwnFile) -> list[pl.Expr]:
    """A file's columns as text; lists with commas, structures not at all."""
    made = []
    for name, dtype in file.columns.items():
        if dtype == pl.List:
            made.append(pl.col(name).list.eval(pl.element().cast(pl.String, strict=False)).list.join(", "))
        elif has_text(dtype):
            made.append(pl.col(name).cast(pl.String))
        else:
            made.append(pl.when(pl.col(name).is_not_null()).then(pl.lit("…")).alias(name))
    return made


def _roles(opened: Opened, table: str) -> dict[str, str]:
    roles: dict[str, str] = {}
    for use in opened.uses():
        if opened.at.get(use.key) == table:
            roles[use.column] = ", ".join(filter(None, (roles.get(use.column), _role(use))))
    return roles


def _role(use: Use) -> str:
    if use.feature is None:
        return use.key.removeprefix("columns.").replace("items.key", "item").replace("users.key", "user")
    owner = "" if use.feature.of == "context" else f" of the {use.feature.of}"
    named = "" if use.feature.name == use.column else f" {use.feature.name!r}"
    return f"{use.feature.kind}{owner}{named}"


def _unread(opened: Opened) -> list[str]:
    """What is wrong with the times, the label and the prompts, as far as their columns are there."""
    wrong = []
    looks: list[tuple[Callable[[Opened], object], set[str]]] = [
        (clock_of, {"columns.time"}),
        (check_target, {"columns.label" if opened.spec.columns.label else "columns.rating"}),
        (prompts_of, set()),
    ]
    for look, needed in looks:
        if needed <= opened.at.keys():
            try:
                look(opened)
            except CtrbenchError as fault:
                wrong.append(str(fault))
    return wrong


def _understood(opened: Opened) -> list[str]:
    """What is not a column: how times are read, and the prompt."""
    spec = opened.spec
    times, domain = clock_of(opened), spec.columns.domain
    told = [] if times.guess else [f"times are {times.told}"]  # a unit is guessed from all rows, and told then
    if domain.column is None:
        told.append(f"all rows are of one domain, {domain.value!r}")
    if ITEMS not in opened.tables:
        told.append("items are described by the interactions: the first value of each column stands")
    if spec.own_history:
        told.append("histories are the data's own, not made of its positive rows")
    told.append(f"the prompt is: {prompts_of(opened)['default'].template}")
    return told


def _empty(columns: list[InspectedColumn]) -> list[str]:
    """Columns that are to be used and hold nothing."""
    return [
        f"the column {column.name!r} ({column.role}) holds no value in any row: name another, or leave it out"
        for column in columns
        if column.role != "not used" and column.nulls == column.rows
    ]
