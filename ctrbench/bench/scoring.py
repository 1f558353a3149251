"""What a trained model says of rows: predictions on disk, and metrics for the record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from ctrbench.bench import metric_tree, records, stored
from ctrbench.bench.records import Record, Target
from ctrbench.data.store import TRUE_PROBABILITY, rows_hash
from ctrbench.evaluation.score import score
from ctrbench.features.view import SLICE, view
from ctrbench.models.contract import CTRModel
from ctrbench.training.config import TrainConfig
from ctrbench.training.processes import Team
from ctrbench.training.watch import Watch

if TYPE_CHECKING:
    from ctrbench.bench.folders import RunFolder
    from ctrbench.bench.spec import RunSpec
    from ctrbench.data.split import Split
    from ctrbench.data.store import PreparedDataset
    from ctrbench.features.featurizer import Featurizer
    from ctrbench.features.loader import Rows


@dataclass(frozen=True)
class Trained:
    """A run's model with its best weights, and what it takes to show it rows."""

    spec: RunSpec
    data: PreparedDataset
    folder: RunFolder
    watch: Watch
    team: Team
    model: CTRModel
    featurizer: Featurizer

    @property
    def config(self) -> TrainConfig:
        """How it was trained, and is scored."""
        return TrainConfig.model_validate(self.spec.train)

    def rows(self, domains: Sequence[str], limit: int | None, split: Split = "test") -> Rows:
        """The latest rows of each domain, featurised."""
        return rows_of(self.data, self.featurizer, split, domains, limit, self.team)


def rows_of(
    data: PreparedDataset, featurizer: Featurizer, split: Split, domains: Sequence[str], limit: int | None, team: Team
) -> Rows:
    """Featurised rows; of the processes of a machine, the first one makes what is not in the cache."""
    with team.together(), team.main_first():
        return view(data, featurizer, split, domains, limit)


def score_options(spec: RunSpec) -> dict[str, Any]:
    """How the rows of a run are scored."""
    config = TrainConfig.model_validate(spec.train)
    return {"batch_size": config.score_batch_size, "precision": config.precision}


def score_targets(run: Trained, record: Record, missing: Sequence[Target]) -> Record:
    """The record with targets that it lacked; their predictions are written before."""
    parts, found, seconds, scored = [], record.metrics, 0.0, 0
    hashes = dict(record.rows.test_hash)
    for split, domain in dict.fromkeys((target.split, target.domain) for target in missing):
        heads = [target.head for target in missing if (target.split, target.domain) == (split, domain)]
        with run.team.together():
            if split == "test":
                hashes[domain] = rows_hash(run.data.slices(split, (domain,), run.spec.limit, size=SLICE))
            truth = _truth(run, split, domain)
        rows = run.rows((domain,), run.spec.limit, split)
        start = time.perf_counter()
        logits = score(run.model, rows, heads, **score_options(run.spec), watch=run.watch)
        seconds, scored = seconds + time.perf_counter() - start, scored + len(rows)
        scores = logits.drop("domain").with_columns(truth)
        found = metric_tree.merge(found, metric_tree.metrics(split, domain, scores, heads))
        parts.append(metric_tree.long_table(split, domain, scores, heads))
    run.team.on_main(lambda: _store(run.folder, pl.concat(parts), anew=not record.metrics))
    speed = scored / seconds if seconds else None
    return record.model_copy(
        update={
            "metrics": found,
            "rows": record.rows.model_copy(update={"test_hash": hashes}),
            "cost": record.cost.model_copy(update={"score_rows_per_s": record.cost.score_rows_per_s or speed}),
        }
    )


def _truth(run: Trained, split: Split, domain: str) -> pl.Series | pl.Expr:
    """Each row's true probability, or nulls where the data does not know it."""
    rows = run.data.scan(split, (domain,), run.spec.limit)
    with run.data.reading():
        if TRUE_PROBABILITY not in rows.collect_schema():
            return pl.lit(None, pl.Float64).alias(TRUE_PROBABILITY)
        return rows.select(TRUE_PROBABILITY).collect().to_series()


def _store(folder: RunFolder, new: pl.LazyFrame, *, anew: bool) -> None:
    """Add rows to the predictions; the same target scored twice is kept once. `anew`: those there are spoilt."""
    path, target = folder.predictions, ["split", "domain", "head"]
    if path.exists() and anew:
        stored.set_aside(path, copy=True)
    elif path.exists():
        again = new.select(target).unique()
        new = pl.concat([pl.scan_parquet(path).join(again, on=target, how="anti", maintain_order="left"), new])
    with records.atomic(path) as temporary:
        new.sink_parquet(temporary)
