"""Stored predictions, read back and checked against the record beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrbench.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from ctrbench.bench.plan import PlannedRun
    from ctrbench.bench.records import Target
    from ctrbench.report.findings import Findings


def scored(findings: Findings, run: PlannedRun, target: Target) -> pl.DataFrame | None:
    """`row_id`, `label`, `logit` of one target, by ascending `row_id`; None where the run has not been scored.

    Raises `DataError` when the file is missing, cannot be read, or is not what the run's record was made of.
    """
    import polars as pl

    from ctrbench.bench.metric_tree import comes_of
    from ctrbench.data.lines import reading

    record = findings.scores.record(run)
    expected = record.metric(target) if record is not None else None
    if expected is None:
        return None
    file = findings.folder(run).predictions
    wanted = [pl.col(key) == getattr(target, key) for key in ("split", "domain", "head")]
    again = f"`ctrbench results rm {run.spec.id}`, and run it again"
    with reading(file, again):
        found = findings.predictions(run).filter(wanted).select("row_id", "label", "logit").collect()
    if found["row_id"].null_count() or not comes_of(found["label"], found["logit"], expected):
        raise DataError(f"{file} is not what its record was made of (see {target.domain}, head {target.head}): {again}")
    return found.sort("row_id")
