"""Every metric of every scored run, from its predictions and the rows they are of. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ctrbench.bench.plan import PlannedRun
from ctrbench.bench.records import Target
from ctrbench.errors import DataError
from ctrbench.evaluation.calibration import calibration_error
from ctrbench.evaluation.metrics import auc, average_precision, grouped_auc, logloss
from ctrbench.report.measures import MEASURES
from ctrbench.report.predictions import scored

if TYPE_CHECKING:
    import polars as pl

    from ctrbench.report.findings import Findings
    from ctrbench.report.scores import Read


def metric_frame(findings: Findings) -> pl.DataFrame:
    """What is to be known of all test rows that were scored, a line per row of the table, run, domain, head and metric.

    `row`, `seed`, `run` (its id), `domain`, `head`, `metric` (of `measures.MEASURES`), `value` (null where it is not
    defined on these rows), and `rows`, how many test rows it is over. What cannot be read back is left out. Cost
    follows the number of scored rows.
    """
    return findings.once(_details).frame


def reader(findings: Findings, metric: str) -> Read:
    """One metric by run and target; asking for it raises `DataError` where the predictions cannot be read back."""

    def read(run: PlannedRun, target: Target) -> float | None:
        details = findings.once(_details)
        if fault := details.faults.get((run.spec.id, target)):
            raise DataError(fault)
        return details.values.get((run.spec.id, target, metric))

    def from_record(run: PlannedRun, target: Target) -> float | None:
        value: float | None = getattr(findings.scores.metric(run, target), metric, None)
        return value

    return from_record if MEASURES[metric].recorded else read


def rows_of(findings: Findings, metric: str) -> dict[str, int]:
    """How many test rows of each domain a metric is over: the same for all models."""
    import polars as pl

    some = metric_frame(findings).filter(pl.col("metric") == metric).unique("domain", keep="first", maintain_order=True)
    return dict(some.select("domain", "rows").rows())


@dataclass(frozen=True)
class _Details:
    frame: pl.DataFrame
    values: dict[tuple[str, Target, str], float]
    """By run, target and metric."""
    faults: dict[tuple[str, Target], str]


@dataclass(frozen=True)
class _TestRows:
    """What is known of a domain's test rows, by ascending `row_id`."""

    row_id: np.ndarray
    user: np.ndarray
    cold_user: np.ndarray
    """Whether the user is in no train row."""
    cold_item: np.ndarray


def _details(findings: Findings) -> _Details:
    import polars as pl

    lines: list[dict[str, Any]] = []
    faults: dict[tuple[str, Target], str] = {}
    targets = [(run, target) for run in findings.plan.runs for target in run.targets if target.split == "test"]
    for domain in dict.fromkeys(target.domain for _, target in targets):
        rows: _TestRows | None = None
        for run, target in targets:
            if target.domain != domain:
                continue
            try:
                found = scored(findings, run, target)
                if found is None:
                    continue
                rows = rows or _test_rows(findings, domain)
                lines += [{**_key(run, target), **line} for line in _metrics(found, rows)]
            except DataError as error:
                faults[run.spec.id, target] = str(error)
    text = dict.fromkeys(("row", "run", "domain", "head", "metric"), pl.String)
    frame = pl.DataFrame(lines, {**text, "seed": pl.Int64, "value": pl.Float64, "rows": pl.Int64})
    values = {
        (line["run"], Target("test", line["domain"], line["head"]), line["metric"]): line["value"] for line in lines
    }
    order = ("row", "seed", "run", "domain", "head", "metric", "value", "rows")
    return _Details(frame.select(order), values, faults)


def _key(run: PlannedRun, target: Target) -> dict[str, Any]:
    where = {"row": run.row, "seed": run.spec.seed, "run": run.spec.id}
    return {**where, "domain": target.domain, "head": target.head}


def _metrics(found: pl.DataFrame, rows: _TestRows) -> Iterator[dict[str, Any]]:
    """Each metric of one head on one domain."""
    if not np.array_equal(found["row_id"].to_numpy(), rows.row_id):
        raise DataError("predictions are of other test rows than the dataset's: prepare it as it was for the runs")
    label, logit = found["label"].to_numpy(), found["logit"].to_numpy()
    every = len(label)
    within_users, of_users = grouped_auc(label, logit, rows.user)
    whole = {
        "auc": (auc(label, logit), every),
        "logloss": (logloss(label, logit), every),
        "pr_auc": (average_precision(label, logit), every),
        "gauc": (within_users, of_users),
        "ece": (calibration_error(label, logit), every),
    }
    parts = {
        "auc_cold_users": rows.cold_user,
        "auc_cold_items": rows.cold_item,
        "auc_warm": ~(rows.cold_user | rows.cold_item),
    }
    some = {metric: (auc(label[part], logit[part]), int(part.sum())) for metric, part in parts.items()}
    for metric, (value, count) in {**whole, **some}.items():
        yield {"metric": metric, "value": None if np.isnan(value) else value, "rows": count}


def _test_rows(findings: Findings, domain: str) -> _TestRows:
    """Cold is what no train row of the table's training domains has, whatever a single run was trained on."""
    import polars as pl

    data, plan = findings.data, findings.plan
    train = data.scan("train", plan.domains, plan.limit)
    with data.reading():
        rows = data.scan("test", (domain,), plan.limit).select("row_id", "user", "user_index", "item").collect()
        users, items = (train.select(pl.col(key).unique()).collect()[key] for key in ("user", "item"))
    rows = rows.sort("row_id")
    return _TestRows(
        row_id=rows["row_id"].to_numpy(),
        user=rows["user_index"].to_numpy(),
        cold_user=~rows["user"].is_in(users.implode()).to_numpy(),
        cold_item=~rows["item"].is_in(items.implode()).to_numpy(),
    )
