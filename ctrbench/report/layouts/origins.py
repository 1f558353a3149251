"""What code and machines a table's numbers come from, where not all come from the same. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterator

from ctrbench.bench.records import Record
from ctrbench.report.scores import Scores

Found = dict[str, dict[str, list[str]]]
"""What differs -> version -> the rows that it made."""


def origins(scores: Scores) -> list[str]:
    """One line for each program that rows were made with different versions of, and for machines that differ."""
    titles = {model.name: model.title for model in scores.plan.models}
    versions: Found = {}
    devices: Found = {}
    for run in scores.plan.runs:
        record = scores.record(run)
        if record is None or record.status != "done":
            continue
        row = titles.get(run.row, run.spec.model)
        for program, version in _versions(record):
            _add(versions, program, version, row)
        for what in ("device", "processes"):
            if what in record.provenance:
                _add(devices, what, str(record.provenance[what]), row)
    lines = [f"Rows were made with different versions of {what}: {by}." for what, by in _differing(versions)]
    return lines + [f"Rows differ in {what}, so their costs do not compare: {by}." for what, by in _differing(devices)]


def _versions(record: Record) -> Iterator[tuple[str, str]]:
    """ctrbench, who brings model and backbones, the libraries; a record that says nothing of them has none."""
    found = record.provenance
    plugins = [found.get("plugin") or {}, *(found.get("backbones") or {}).values()]
    every = {plugin.get("distribution"): plugin.get("version") for plugin in plugins}
    for program, version in {"ctrbench": found.get("ctrbench"), **every, **(found.get("packages") or {})}.items():
        if program and version:
            yield str(program), str(version)


def _add(found: Found, what: str, value: str, row: str) -> None:
    rows = found.setdefault(what, {}).setdefault(value, [])
    if row not in rows:
        rows.append(row)


def _differing(found: Found) -> Iterator[tuple[str, str]]:
    for what, values in found.items():
        if len(values) > 1:
            yield what, "; ".join(f"{value} ({', '.join(rows)})" for value, rows in sorted(values.items()))
