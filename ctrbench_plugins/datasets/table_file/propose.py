"""A TOML for a table that has none: each column's role by its name, its type and its first rows."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from ctrbench.api import ConfigError, legal_name
from ctrbench_plugins.datasets.table_file.csv_file import separator
from ctrbench_plugins.datasets.table_file.files import OwnFile
from ctrbench_plugins.datasets.table_file.guess import MOST, Guess, guess, is_number, is_padded, roles_of
from ctrbench_plugins.datasets.table_file.spec import HISTORY, RESERVED, Time
from ctrbench_plugins.datasets.table_file.tables import TO_FILL_IN
from ctrbench_plugins.datasets.table_file.times import clock
from ctrbench_plugins.datasets.table_file.values import as_id, as_number

_ROWS = 100_000  # that are looked at
_TIMES = 1_000
_WORDS = 5  # that may stand for a missing number in one column


def propose(file: OwnFile, beside: Path) -> tuple[str, dict[str, str], list[str]]:
    """The TOML's text, each column's role in words, and a sentence for each role that no column seems to have."""
    with file.reading():
        rows = file.scan(list(file.columns)).head(_ROWS).select(list(file.columns)).collect()
    if rows.is_empty():
        return "", {}, [f"{file.path} holds no row: check it, or name another file"]
    written = rows
    file, rows = _with_commas(file, rows)
    roles = roles_of(rows)
    others = [guess(rows, column, roles) for column in rows.columns if column not in roles.values()]
    missing = [
        f"no column of {file.path.name} looks like {what}: write the name of yours after `{role} =`"
        for role, what in (("user", "the user"), ("item", "the item"), ("time", "the time"))
        if role not in roles
    ]
    if "label" not in roles and "rating" not in roles:
        missing.append(
            f"no column of {file.path.name} looks like a label (0 and 1) or a rating: write yours after `label =`; of"
            ' words, say which, as in label = { column = "action", positive = ["buy"] }'
        )
    if not roles and file.format == "csv":
        missing.insert(
            0, f"the first line of {file.path.name} is taken as its header: if the third is, say [csv] skip = 2"
        )
    if "time" in roles:
        missing += _unread_times(rows[roles["time"]], file.path.name)
    told = {column: role for role, column in roles.items()}
    told |= {g.column: f"{g.kind}" + ("" if g.of == "context" else f" of the {g.of}") for g in others if g.kind}
    told |= {g.column: f"not used: {g.why}" for g in others if not g.kind}
    notes = {
        g.column: _odd_numbers(file, written[g.column], g.kind) for g in others if g.kind in ("id", "text", "number")
    }
    return _text(file, beside, rows, roles, others, notes), told, missing


def _text(
    file: OwnFile,
    beside: Path,
    rows: pl.DataFrame,
    roles: dict[str, str],
    others: list[Guess],
    notes: Mapping[str, str],
) -> str:
    path = Path(os.path.relpath(file.path, beside)).as_posix()
    lines = [f"interactions = {_quoted(path)}", "", "[columns]"]
    target = "rating" if "rating" in roles else "label"
    lines += [f"{role} = {_quoted(roles.get(role, TO_FILL_IN))}" for role in ("user", "item", "time", target)]
    lines.append(f"domain = {_domain(rows, roles.get('domain'))}")
    names = _names([g.column for g in others])
    for of in ("user", "item", "context"):
        features = [g for g in others if g.kind and g.of == of]
        if features:
            lines += [
                "",
                f"[features.{of}]",
                *(_feature(g, names[g.column]) + notes.get(g.column, "") for g in features),
            ]
    unused = [f"# {g.column}: {g.why}" for g in others if not g.kind]
    if unused:
        lines += ["", "# Not used:", *unused]
    written = file.csv.model_dump(exclude_defaults=True)
    if written:
        lines += ["", "[csv]", *(f"{key} = {_quoted(value)}" for key, value in written.items())]
    return "\n".join(lines) + "\n"


def _domain(rows: pl.DataFrame, column: str | None) -> str:
    """The domain's line: names that no domain can have are given others."""
    if column is None:
        return '{ value = "all" }'
    names = rows.select(as_id(column, rows[column].dtype)).to_series().unique(maintain_order=True).drop_nulls()
    others = [f"{_quoted(name)} = {_quoted(legal_name(name))}" for name in names if legal_name(name) != name]
    return f"{{ column = {_quoted(column)}, rename = {{ {', '.join(others)} }} }}" if others else _quoted(column)


def _with_commas(file: OwnFile, rows: pl.DataFrame) -> tuple[OwnFile, pl.DataFrame]:
    """The file with a decimal comma, and its numbers read, where only that makes numbers of some of its columns."""
    texts = [] if file.format != "csv" or separator(file.path, file.csv) == "," else rows.columns
    read = {column: rows.select(as_number(column, rows[column].dtype, ",")).to_series() for column in texts}
    whole = {column for column in texts if read[column].count() >= MOST * rows[column].count() > 0}
    comma = {column for column in whole if not is_padded(rows[column])}
    point = {column for column in texts if is_number(rows[column])}
    if not comma - point or point - comma:
        return file, rows
    made = rows.with_columns(read[column] for column in comma - point)
    return replace(file, csv=file.csv.model_copy(update={"decimal": ","})), made


def _odd_numbers(file: OwnFile, values: pl.Series, kind: str) -> str:
    """A comment for a column of numbers and a few words, such as `k.A.`, that may mean a missing one."""
    known = values.drop_nulls()
    if file.format != "csv" or is_padded(known):
        return ""
    decimals = dict.fromkeys((file.decimal, "." if separator(file.path, file.csv) == "," else ","))
    read = {d: known.to_frame("_").select(as_number("_", known.dtype, d)).to_series() for d in decimals}
    decimal = max(read, key=lambda d: read[d].count())
    odd = known.filter(read[decimal].is_null()).unique(maintain_order=True)
    if odd.is_empty() or read[decimal].count() * 2 < len(known) or len(odd) > _WORDS or odd.str.contains(r"\d").any():
        return ""
    keys = f"[csv] null = {json.dumps(odd.to_list(), ensure_ascii=False)}"
    keys += "" if decimal == file.decimal else f' and decimal = "{decimal}"'
    also = "" if kind == "number" else ', and its kind is "number"'
    count = read[decimal].null_count()
    return f"  # numbers but for {count} of {len(known)} values: if these mean missing, say {keys}{also}"


def _unread_times(values: pl.Series, where: str) -> list[str]:
    try:
        clock(values.name, values.drop_nulls().head(_TIMES), Time(), where)
    except ConfigError as fault:
        return [str(fault)]
    return []


def _names(columns: list[str]) -> dict[str, str]:
    """Column -> a name that prompts can write in braces and no other feature has."""
    names: dict[str, str] = {}
    for column in columns:
        plain = re.sub(r"\W+", "_", column, flags=re.ASCII).strip("_").lower()
        plain = plain if plain[:1].isalpha() else f"f_{plain}"
        plain = f"own_{plain}" if plain in RESERVED or plain == HISTORY else plain
        same = sum(name == plain or name.startswith(f"{plain}_") for name in names.values())
        names[column] = f"{plain}_{same + 1}" if plain in names.values() else plain
    return names


def _feature(found: Guess, name: str) -> str:
    parts = [f'kind = "{found.kind}"']
    parts += [f"column = {_quoted(found.column)}"] if name != found.column else []
    parts += [f"separator = {_quoted(found.separator)}"] if found.separator else []
    return f'{name} = "{found.kind}"' if len(parts) == 1 else f"{name} = {{ {', '.join(parts)} }}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
