"""Runs that are stored, and that no table of the site has: of other settings, domains or data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ctrbench.bench.records import Record
from ctrbench.bench.results import stored_runs
from ctrbench.report.layouts.elsewhere import comparable, options_to, settings_of_rows
from ctrbench.report.site.content import Near, Shown, Trained


def other_runs(results: Path, planned: Iterable[Shown], *, related: bool) -> list[Trained]:
    """The runs of a results folder that none of the tables has; what cannot be read is left out.

    `related`: those alone that are of a model and a dataset of one of the tables.
    """
    tables = list(planned)
    runs = {run.spec.id for shown in tables for run in shown.findings.plan.runs}
    kinds = {(run.spec.model, run.spec.dataset) for shown in tables for run in shown.findings.plan.runs}
    records = [run.record for run in stored_runs(results)] if results.is_dir() else []
    return [
        Trained(record.spec, record, near=near(record, tables))
        for record in records
        if record is not None
        and record.id not in runs
        and (not related or (record.spec.model, record.spec.dataset) in kinds)
    ]


def near(record: Record, tables: Sequence[Shown]) -> list[Near]:
    """For each table that has the run but for its settings: the row, and the options that say what is otherwise."""
    found = []
    for shown in tables:
        kept = settings_of_rows(shown.findings.table, record.spec.model)
        alike = [run for run in shown.findings.plan.runs if comparable(run.spec, record.spec, kept)]
        if alike:
            closest = min(alike, key=lambda run: len(options_to(run, record.spec)))
            row = next(row for row in shown.findings.plan.models if row.name == closest.row)
            found.append(Near(shown, row, tuple(options_to(closest, record.spec))))
    return found
