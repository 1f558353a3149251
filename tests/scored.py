"""Findings with predictions on disk, of fake models on the toy rows, for tests of what is made of predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ctrbench.bench.folders import RunFolder
from ctrbench.bench.metric_tree import long_table, merge, metrics
from ctrbench.bench.plan import Plan, PlannedRun
from ctrbench.bench.records import Record
from ctrbench.bench.spec import BEYOND, TableSpec
from ctrbench.data.store import PreparedDataset
from ctrbench.report.findings import Findings
from tests import fakes
from tests.toys import DOMAINS, write_toy

Logits = Callable[[PlannedRun, str, pl.DataFrame], np.ndarray]
"""What a run says of a domain's rows through a head."""


def truth(quality: dict[str, float], seed_noise: float = 0.0) -> Logits:
    """A model's logits: so many times the true ones, and noise of its own."""

    def logits(run: PlannedRun, head: str, rows: pl.DataFrame) -> np.ndarray:
        random = np.random.default_rng([run.spec.seed, *run.row.encode(), *head.encode()])
        known = rows["true_probability"].to_numpy()
        skill = quality.get(run.row, 1.0) + seed_noise * random.normal()
        return (skill * np.log(known / (1 - known)) + random.normal(size=len(known))).astype(np.float32)

    return logits


def toy_plan(data: PreparedDataset, kind: str = "main", **options: Any) -> Plan:
    """A table of the three fake models, to be registered first; where a kind has targets, that is the last domain."""
    spec = options.pop("spec", {})
    domains = DOMAINS[:-1] if kind in BEYOND else DOMAINS
    more = {"targets": [DOMAINS[-1]]} if kind in BEYOND else {}
    table: TableSpec = fakes.table(kind, domains=list(domains), **{**more, **spec})
    return fakes.make_plan(kind, data=data, spec=table, **options)  # type: ignore[arg-type]


def findings(folder: Path, logits: Logits, *, rows: int = 240, train: int = 300, **options: Any) -> Findings:
    """Every planned run scored: record and predictions as a run leaves them."""
    metric = options.pop("metric", "auc")
    data = write_toy(folder / "data", train=train, other=rows)
    plan = toy_plan(data, **options)
    found = [scored_record(folder / "results", data, run, logits) for run in plan.runs]
    return Findings(plan, found, folder / "results", data, metric)


def scored_record(results: Path, data: PreparedDataset, run: PlannedRun, logits: Logits) -> Record:
    """A run's record, and its predictions on disk."""
    parts, trees = [], []
    for split, domain in dict.fromkeys((target.split, target.domain) for target in run.targets):
        heads = [target.head for target in run.targets if (target.split, target.domain) == (split, domain)]
        rows = data.rows(split, (domain,), run.spec.limit)
        scores = rows.select("row_id", "label", "true_probability").with_columns(
            pl.Series(head, logits(run, head, rows)) for head in heads
        )
        parts.append(long_table(split, domain, scores, heads))
        trees.append(metrics(split, domain, scores, heads))
    file = RunFolder.of(results, data.manifest.source, run.spec).predictions
    file.parent.mkdir(parents=True, exist_ok=True)
    pl.concat(parts).sink_parquet(file)
    return fakes.make_record(run, {}, metrics=merge(*trees))
