"""One run: train what is not trained yet, score what is not scored yet, and leave a record.

A run is a function of its `RunSpec` and the prepared dataset.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import torch
from filelock import FileLock, Timeout

from ctrbench.bench import records
from ctrbench.bench.build import build
from ctrbench.bench.cost import count_parameters, peak_memory_mb, reset_peak_memory
from ctrbench.bench.provenance import provenance
from ctrbench.bench.records import Cost, DatasetFacts, Metrics, Record, RunFolder, Target
from ctrbench.data.store import TRUE_PROBABILITY, rows_hash
from ctrbench.errors import CtrbenchError, OutputError
from ctrbench.evaluation.metrics import auc, logloss
from ctrbench.evaluation.score import score
from ctrbench.features.loader import Rows
from ctrbench.models.contract import CTRModel
from ctrbench.training.checkpoint import load_tensors, load_trained, save_tensors, trained_state
from ctrbench.training.config import TrainConfig
from ctrbench.training.course import FitResult
from ctrbench.training.fit import fit
from ctrbench.training.watch import Progress, Watch, silent

if TYPE_CHECKING:
    from pathlib import Path

    from ctrbench.bench.plan import PlannedRun
    from ctrbench.bench.spec import RunSpec
    from ctrbench.data.store import PreparedDataset
    from ctrbench.features.featurizer import Featurizer

_log = logging.getLogger(__name__)
ORACLE = "oracle"
MetricTree = dict[str, dict[str, dict[str, Metrics]]]
"""split -> domain -> head"""


def execute(planned: PlannedRun, data: PreparedDataset, results: Path, watch: Watch = silent) -> Record:
    """Do what is missing of a run and return its record.

    A model's failure becomes a record with its error; where the model was trained before and only scoring failed, the
    failure is returned, and what is on disk stays. `KeyboardInterrupt`, and an `OutputError` where results cannot be
    written, end the call; a checkpoint is left to resume from. Where another process is at the same run, this one waits
    for it and takes its record.
    """
    folder = RunFolder.of(results, data.manifest.source, planned.spec)
    records.ensure_writable(folder.path)
    with _only_process(folder):
        return _execute(_Run(planned.spec, data, folder, watch), planned.targets, results)


@contextmanager
def _only_process(folder: RunFolder) -> Iterator[None]:
    """Wait for another process that is at the same run; its record is then found."""
    lock = FileLock(folder.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _log.warning("another process is at run %s; waiting for it", folder.path.name)
        lock.acquire()
    except (OSError, NotImplementedError) as fault:
        raise OutputError(f"{folder.lock} cannot be locked ({fault}); choose another folder with --results") from fault
    try:
        yield
    finally:
        lock.release()


def _execute(run: _Run, targets: Sequence[Target], results: Path) -> Record:
    before = records.load(results, run.data.manifest.source, run.spec)
    trained = before if before is not None and before.status == "done" else None
    try:
        record = run.score(trained or run.train(), targets)
    except OutputError:
        raise
    except Exception as error:
        _log.debug("run %s failed", run.spec.id, exc_info=True)
        record = run.failed(error)
        if trained is not None:
            return record
    records.save(results, record)
    if record.status == "done":
        run.folder.checkpoint.unlink(missing_ok=True)
    return record


@dataclass
class _Run:
    spec: RunSpec
    data: PreparedDataset
    folder: RunFolder
    watch: Watch
    model: CTRModel | None = field(default=None, init=False)
    featurizer: Featurizer | None = field(default=None, init=False)

    def train(self) -> Record:
        """Fit the model; leave its best weights and its featurizer's state; a record without metrics."""
        started = datetime.now(UTC)
        reset_peak_memory()
        train, valid = (self._raw(split, self.spec.domains) for split in ("train", "valid"))
        self.watch(Progress("features", 0, len(train) + len(valid)))
        model, featurizer = self.model, self.featurizer = build(self.spec, self.data, train)
        result = fit(
            model,
            Rows.build(train, self.data.items, featurizer, self.spec.domains),
            Rows.build(valid, self.data.items, featurizer, self.spec.domains),
            self._train_config(),
            seed=self.spec.seed,
            checkpoint=self.folder.checkpoint,
            watch=self.watch,
        )
        save_tensors(self.folder.model, trained_state(model), {"spec": self.spec.model_dump(mode="json")})
        with records.atomic(self.folder.features) as temporary:
            temporary.write_text(json.dumps(featurizer.state()), "utf-8")
        return Record(
            schema=records.SCHEMA,
            id=self.spec.id,
            status="done",
            spec=self.spec,
            dataset=DatasetFacts.of(self.data),
            rows=records.RowCounts(train=len(train), valid=len(valid)),
            cost=self._cost(model, result),
            history=result.epochs,
            provenance={
                **provenance(self.spec.model, _device(model)),
                "started": started.isoformat(timespec="seconds"),
                "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            },
            notes=[*model.notes(), *featurizer.notes()],
        )

    def score(self, record: Record, targets: Sequence[Target]) -> Record:
        """Score the targets that the record lacks; predictions are written before the record says so."""
        missing = [target for target in targets if record.metric(target) is None]
        if not missing:
            return record
        model, featurizer = self._trained()
        parts, seconds, scored = [], 0.0, 0
        hashes = dict(record.rows.test_hash)
        for split, domain in dict.fromkeys((target.split, target.domain) for target in missing):
            heads = [target.head for target in missing if (target.split, target.domain) == (split, domain)]
            raw = self._raw(split, (domain,))
            if split == "test":
                hashes[domain] = rows_hash(raw)
            rows = Rows.build(raw, self.data.items, featurizer, (domain,))
            start = time.perf_counter()
            scores = score(model, rows, heads, **self._score_options(), watch=self.watch)
            seconds, scored = seconds + time.perf_counter() - start, scored + len(raw)
            parts.append(_long(split, raw, scores, heads))
        new = pl.concat(parts)
        self._store(new)
        speed = scored / seconds if seconds else None
        return record.model_copy(
            update={
                "metrics": _merge(record.metrics, _nothing(missing), _metrics(new)),
                "rows": record.rows.model_copy(update={"test_hash": hashes}),
                "cost": record.cost.model_copy(update={"score_rows_per_s": record.cost.score_rows_per_s or speed}),
            }
        )

    def failed(self, error: Exception) -> Record:
        """The record of a run that did not end well."""
        known = isinstance(error, CtrbenchError)
        text = str(error) if known else f"{type(error).__name__}: {error}"
        return Record(
            schema=records.SCHEMA,
            id=self.spec.id,
            status="failed",
            error=text.strip().splitlines()[0] if text.strip() else type(error).__name__,
            spec=self.spec,
            dataset=DatasetFacts.of(self.data),
        )

    def _trained(self) -> tuple[CTRModel, Featurizer]:
        """The model with its best weights: still here after training, else from the run's folder."""
        if self.model is not None and self.featurizer is not None:
            return self.model, self.featurizer
        model, featurizer = build(self.spec, self.data, self._raw("train", self.spec.domains))
        load_trained(model, load_tensors(self.folder.model)[0])
        return model.to("cuda" if torch.cuda.is_available() else "cpu"), featurizer

    def _raw(self, split: Any, domains: Sequence[str]) -> pl.DataFrame:
        return self.data.rows(split, domains, self.spec.limit)

    def _train_config(self) -> TrainConfig:
        return TrainConfig.model_validate(self.spec.train)

    def _score_options(self) -> dict[str, Any]:
        config = self._train_config()
        return {"batch_size": config.score_batch_size, "precision": config.precision}

    def _cost(self, model: CTRModel, result: FitResult) -> Cost:
        parameters, trained = count_parameters(model)
        return Cost(
            parameters=parameters,
            parameters_trained=trained,
            train_seconds=result.train_seconds,
            valid_seconds=result.valid_seconds,
            rows_per_s=result.rows_per_s,
            peak_memory_mb=peak_memory_mb(),
            epochs_run=len(result.epochs),
            best_epoch=result.best_epoch,
            steps=result.steps,
        )

    def _store(self, new: pl.DataFrame) -> None:
        """Add rows to the predictions; the same target scored twice is kept once."""
        path = self.folder.predictions
        if path.exists():
            old = pl.read_parquet(path).join(new, on=["split", "domain", "head"], how="anti")
            new = pl.concat([old, new])
        with records.atomic(path) as temporary:
            new.write_parquet(temporary)


def _device(model: CTRModel) -> torch.device:
    return next(model.parameters()).device


def _long(split: str, raw: pl.DataFrame, scores: pl.DataFrame, heads: Sequence[str]) -> pl.DataFrame:
    """One row per scored row and head: split, domain, head, row_id, label, logit, true_probability."""
    truth = raw[TRUE_PROBABILITY] if TRUE_PROBABILITY in raw.columns else pl.Series([None] * len(raw), dtype=pl.Float64)
    facts = scores.select(pl.lit(split).alias("split"), "domain", "row_id", "label", truth.alias(TRUE_PROBABILITY))
    order = ["split", "domain", "head", "row_id", "label", "logit", TRUE_PROBABILITY]
    return pl.concat([facts.with_columns(head=pl.lit(head), logit=scores[head]).select(order) for head in heads])


def _metrics(scored: pl.DataFrame) -> MetricTree:
    """split -> domain -> head, with the oracle where each row's true probability is known."""
    found: MetricTree = {}
    for (split, domain, head), part in scored.group_by(["split", "domain", "head"], maintain_order=True):
        heads = found.setdefault(str(split), {}).setdefault(str(domain), {})
        heads[str(head)] = _metric(part["label"], part["logit"])
        truth = part[TRUE_PROBABILITY]
        if len(truth) and truth.null_count() == 0:
            heads[ORACLE] = _metric(part["label"], (truth / (1 - truth)).log())
    return found


def _metric(label: pl.Series, logit: pl.Series) -> Metrics:
    labels, logits = label.to_numpy(), logit.to_numpy()
    value = auc(labels, logits)
    return Metrics(auc=value, logloss=logloss(labels, logits), rows=len(labels), positives=int(labels.sum()))


def _nothing(targets: Sequence[Target]) -> MetricTree:
    """What is known of targets without a row."""
    found: MetricTree = {}
    for target in targets:
        found.setdefault(target.split, {}).setdefault(target.domain, {})[target.head] = Metrics(rows=0, positives=0)
    return found


def _merge(*trees: MetricTree) -> MetricTree:
    """Later trees win."""
    merged: MetricTree = {}
    for tree in trees:
        for split, domains in tree.items():
            for domain, heads in domains.items():
                merged.setdefault(split, {}).setdefault(domain, {}).update(heads)
    return merged
