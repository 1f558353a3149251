"""A TOML for a table that has none: each column's role by its name, its type and its first rows."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from ctrbench_plugins.datasets.table_file.files import OwnFile
from ctrbench_plugins.datasets.table_file.guess import Guess, guess, roles_of
from ctrbench_plugins.datasets.table_file.spec import HISTORY, RESERVED, Csv

_ROWS = 100_000  # that are looked at


def propose(file: OwnFile, beside: Path) -> tuple[str, dict[str, str], list[str]]:
    """The TOML's text, each column's role in words, and a sentence for each role that no column seems to have."""
    with file.reading():
        rows = file.scan(list(file.columns)).head(_ROWS).select(list(file.columns)).collect()
    roles = roles_of(rows)
    others = [guess(rows, column, roles) for column in rows.columns if column not in roles.values()]
    missing = [
        f"no column of {file.path.name} looks like {what}: write the name of yours after `{role} =`"
        for role, what in (("user", "the user"), ("item", "the item"), ("time", "the time"))
        if role not in roles
    ]
    if "label" not in roles and "rating" not in roles:
        missing.append(
            f"no column of {file.path.name} looks like a label (0 and 1) or a rating: write yours after `label =`"
        )
    told = {column: role for role, column in roles.items()}
    told |= {g.column: f"{g.kind}" + ("" if g.of == "context" else f" of the {g.of}") for g in others if g.kind}
    told |= {g.column: f"not used: {g.why}" for g in others if not g.kind}
    return _text(file, beside, roles, others), told, missing


def _text(file: OwnFile, beside: Path, roles: dict[str, str], others: list[Guess]) -> str:
    path = Path(os.path.relpath(file.path, beside)).as_posix()
    lines = [f"interactions = {_quoted(path)}", "", "[columns]"]
    target = "rating" if "rating" in roles else "label"
    lines += [f"{role} = {_quoted(roles.get(role, '?'))}" for role in ("user", "item", "time", target)]
    lines.append(f"domain = {_quoted(roles['domain'])}" if "domain" in roles else 'domain = { value = "all" }')
    names = _names([g.column for g in others])
    for of in ("user", "item", "context"):
        features = [g for g in others if g.kind and g.of == of]
        if features:
            lines += ["", f"[features.{of}]", *(_feature(g, names[g.column]) for g in features)]
    unused = [f"# {g.column}: {g.why}" for g in others if not g.kind]
    if unused:
        lines += ["", "# Not used:", *unused]
    if file.csv != Csv():
        lines += ["", "[csv]", f"encoding = {_quoted(file.csv.encoding)}"]
    return "\n".join(lines) + "\n"


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
