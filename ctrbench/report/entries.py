"""The numbers behind a table, in full precision: CSV, JSON and Parquet."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from ctrbench.report import claimed
from ctrbench.report.grid import Table

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def flat(table: Table) -> list[dict[str, Any]]:
    """One line per row and domain. Every line has the same keys; what a line lacks is None."""
    lines = [{"model": e.row, "domain": e.domain, **e.values, **e.model} for e in table.entries]
    keys = dict.fromkeys(["model", "domain", *(key for line in lines for key in line)])
    return [{key: line.get(key) for key in keys} for line in lines]


def as_csv(table: Table) -> str:
    """The lines of `flat` without what is nested: candidates are in JSON and Parquet.

    A text that a spreadsheet would run as a formula gets an apostrophe before it, there and nowhere else.
    """
    lines = flat(table)
    nested = {key for line in lines for key, value in line.items() if isinstance(value, list | dict)}
    keys = [key for key in (lines[0] if lines else ("model", "domain")) if key not in nested]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(keys)
    writer.writerows([_harmless(line[key]) for key in keys] for line in lines)
    return stream.getvalue()


def as_json(table: Table) -> str:
    """One object: what the table is, and per model its domains, with caption and footnotes."""
    rows: dict[str, dict[str, Any]] = {}
    for entry in table.entries:
        row = rows.setdefault(entry.row, {"model": entry.row, **entry.model, "domains": {}})
        row["domains"][entry.domain] = entry.values
    whole = {**_about(table), "rows": list(rows.values()), **_below(table)}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def write_parquet(table: Table, file: Path) -> None:
    """The lines of `flat`; title, facts, caption, footnotes and claims are JSON under the file's key `ctrbench`."""
    import polars as pl

    about = {**_about(table), **_below(table)}
    lines = flat(table)
    frame = pl.DataFrame(lines, infer_schema_length=None) if lines else pl.DataFrame(schema=["model", "domain"])
    frame.write_parquet(file, metadata={"ctrbench": json.dumps(about, ensure_ascii=False)})


def _about(table: Table) -> dict[str, Any]:
    return {"table": table.name, "title": table.title, **table.facts}


def _below(table: Table) -> dict[str, Any]:
    claims = {"claims": claimed.as_data(table.claims)} if table.claims else {}
    return {"caption": table.caption, "footnotes": table.footnotes, **claims}


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
