"""One run: train what is not trained yet, score what is not scored yet, and leave a record.

A run is a function of its `RunSpec` and the prepared dataset.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import torch

from ctrbench import files
from ctrbench.bench import grow, metric_tree, needs, records, stored, turns
from ctrbench.bench.build import train_config
from ctrbench.bench.cost import count_parameters, peak_memory_mb, reset_peak_memory
from ctrbench.bench.energy import Energy, measured
from ctrbench.bench.extras import Trained, keep_representations
from ctrbench.bench.latency import keep_latency
from ctrbench.bench.provenance import provenance
from ctrbench.bench.records import Cost, DatasetFacts, Record, RunFolder, Target
from ctrbench.bench.shared import ensure_writable, record_of_main
from ctrbench.data.store import TRUE_PROBABILITY, rows_hash
from ctrbench.errors import Damaged, LostProcess, OutputError, in_words
from ctrbench.evaluation.score import score
from ctrbench.features.view import SLICE, view
from ctrbench.models.contract import CTRModel
from ctrbench.training.checkpoint import save_tensors, trained_state
from ctrbench.training.config import TrainConfig
from ctrbench.training.course import FitResult
from ctrbench.training.fit import fit
from ctrbench.training.processes import Team, team
from ctrbench.training.shard import place
from ctrbench.training.watch import Progress, Watch, silent

if TYPE_CHECKING:
    from pathlib import Path

    from ctrbench.bench.plan import Need, PlannedRun
    from ctrbench.bench.spec import RunSpec
    from ctrbench.data.split import Split
    from ctrbench.data.store import PreparedDataset
    from ctrbench.features.featurizer import Featurizer
    from ctrbench.features.loader import Rows

_log = logging.getLogger(__name__)


def execute(planned: PlannedRun, data: PreparedDataset, results: Path, watch: Watch = silent) -> Record:
    """Do what is missing of a run and return its record.

    A model's failure becomes a record with its error; where the model was trained before and only scoring failed, the
    failure is returned, and what is on disk stays. `KeyboardInterrupt`, and an `OutputError` where results cannot be
    written, end the call; a checkpoint is left to resume from. Where another process is at the same run, this one waits
    for it and takes its record.

    Under a launcher, every process calls this, and trains and scores its part. The main one reads and writes, and all
    return its record. `LostProcess`, where another process is gone, ends the call as Ctrl-C does.
    """
    processes = team()
    folder = RunFolder.of(results, data.manifest.source, planned.spec)
    ensure_writable(folder.path, processes)
    with turns.awaited(folder, processes):
        run = _Run(planned.spec, data, folder, watch, processes)
        record = _execute(run, planned.targets, results)
        return run.attempt(lambda: run.keep(record, planned.needs)) if record.status == "done" else record


def _execute(run: _Run, targets: Sequence[Target], results: Path) -> Record:
    def finish() -> Record:
        if trained is None or record.status == "done":
            records.save(results, record)
        if record.status == "done":
            run.folder.checkpoint.unlink(missing_ok=True)
        return record

    before = record_of_main(run.team, lambda: _before(run.folder))
    trained = before if before is not None and before.status == "done" else None
    record = run.attempt(lambda: run.score(trained or run.train(), targets))
    final = record_of_main(run.team, finish)
    assert final is not None
    return final


def _before(folder: RunFolder) -> Record | None:
    """What there is of a run, after clearing up what a killed process left there."""
    for path in files.leftovers(folder.path):
        path.unlink(missing_ok=True)
    return stored.recover(folder)


@dataclass
class _Run:
    spec: RunSpec
    data: PreparedDataset
    folder: RunFolder
    watch: Watch
    team: Team
    model: CTRModel | None = field(default=None, init=False)
    featurizer: Featurizer | None = field(default=None, init=False)

    def attempt(self, work: Callable[[], Record]) -> Record:
        """The record that `work` gives, or that of its failure."""
        try:
            return work()
        except Exception as error:
            if isinstance(error, (OutputError, LostProcess)) and not isinstance(error, Damaged):
                raise
            if not self.team.agreed(error):
                raise LostProcess(f"process {self.team.rank} failed by itself: {in_words(error)}") from error
            _log.debug("run %s failed", self.spec.id, exc_info=True)
            return self.failed(error)

    def train(self) -> Record:
        """Fit the model; leave its best weights and its featurizer's state; a record without metrics."""
        started = _now()
        reset_peak_memory()
        with self.team.together():
            self.watch(Progress("features", 0, self._count("train") + self._count("valid")))
            model, featurizer = self.model, self.featurizer = grow.untrained(self.spec, self.data, self.folder)
        old = self._old_domains(model, featurizer)
        train, valid = (self._rows(split, featurizer, self.spec.domains) for split in ("train", "valid"))
        told = self.team.count == 1 and not self.folder.checkpoint.exists()  # else only a part of it was measured
        with measured(self.team.device) as energy:
            result = fit(
                model,
                train,
                valid,
                train_config(self.spec, model),
                seed=self.spec.seed,
                checkpoint=self.folder.checkpoint,
                watch=self.watch,
            )
        growth = old.unchanged(model) if old is not None else None
        self.team.on_main(lambda: self._keep(model, featurizer))
        return Record(
            schema=records.SCHEMA,
            id=self.spec.id,
            status="done",
            spec=self.spec,
            dataset=DatasetFacts.of(self.data),
            rows=records.RowCounts(train=len(train), valid=len(valid)),
            cost=self._cost(model, result, energy if told else Energy()),
            growth=growth,
            history=result.epochs,
            provenance={
                **provenance(self.spec.model, _device(model)),
                "started": started,
                "finished": _now(),
            },
            notes=[*model.notes(), *featurizer.notes()],
        )

    def _old_domains(self, model: CTRModel, featurizer: Featurizer) -> grow.OldDomains | None:
        """Of a run with a base: what its model says of the old domains before it is trained."""
        if self.spec.base is None:
            return None
        base = self.folder.beside(self.spec.base)
        self.team.on_main(lambda: grow.forget_older(base, self.folder))
        place(model, self.team)
        return grow.OldDomains.of(self.spec, self.data, self.folder, model, featurizer, self._score_options())

    def _keep(self, model: CTRModel, featurizer: Featurizer) -> None:
        needs.forget(self.folder)
        self.folder.predictions.unlink(missing_ok=True)  # those of an earlier training, which has no record any more
        save_tensors(self.folder.model, trained_state(model), {"spec": self.spec.model_dump(mode="json")})
        with records.atomic(self.folder.features) as temporary:
            temporary.write_text(json.dumps(featurizer.state()), "utf-8")

    def score(self, record: Record, targets: Sequence[Target]) -> Record:
        """Score the targets that the record lacks; predictions are written before the record says so."""
        missing = [target for target in targets if record.metric(target) is None]
        if not missing:
            return record
        model, featurizer = self._trained()
        parts, found, seconds, scored = [], record.metrics, 0.0, 0
        hashes = dict(record.rows.test_hash)
        for split, domain in dict.fromkeys((target.split, target.domain) for target in missing):
            heads = [target.head for target in missing if (target.split, target.domain) == (split, domain)]
            with self.team.together():
                if split == "test":
                    hashes[domain] = rows_hash(self.data.slices(split, (domain,), self.spec.limit, size=SLICE))
                truth = self._truth(split, domain)
            rows = self._rows(split, featurizer, (domain,))
            start = time.perf_counter()
            logits = score(model, rows, heads, **self._score_options(), watch=self.watch)
            seconds, scored = seconds + time.perf_counter() - start, scored + len(rows)
            scores = logits.drop("domain").with_columns(truth)
            found = metric_tree.merge(found, metric_tree.metrics(split, domain, scores, heads))
            parts.append(metric_tree.long_table(split, domain, scores, heads))
        self.team.on_main(lambda: self._store(pl.concat(parts), anew=not record.metrics))
        speed = scored / seconds if seconds else None
        return record.model_copy(
            update={
                "metrics": found,
                "rows": record.rows.model_copy(update={"test_hash": hashes}),
                "cost": record.cost.model_copy(update={"score_rows_per_s": record.cost.score_rows_per_s or speed}),
            }
        )

    def keep(self, record: Record, wanted: Iterable[Need]) -> Record:
        """Leave on disk what is needed beside scores, and is not there."""
        missing = self.team.on_main(lambda: needs.lacking(self.folder, wanted))
        if not missing:
            return record
        trained = Trained(self.spec, self.data, self.folder, self.watch, self.team, *self._trained())
        if "representations" in missing:
            keep_representations(trained)
        if "latency" in missing:
            keep_latency(trained, record)
        return record

    def failed(self, error: Exception) -> Record:
        """The record of a run that did not end well."""
        return Record(
            schema=records.SCHEMA,
            id=self.spec.id,
            status="failed",
            error=in_words(error),
            spec=self.spec,
            dataset=DatasetFacts.of(self.data),
            provenance={**provenance(self.spec.model, self.team.device), "finished": _now()},
        )

    def _trained(self) -> tuple[CTRModel, Featurizer]:
        """The model with its best weights: still here after training, else from the run's folder."""
        if self.model is not None and self.featurizer is not None:
            return self.model, self.featurizer
        with self.team.together():
            model, featurizer = grow.trained(self.spec, self.data, self.folder)
        place(model, self.team)
        return model, featurizer

    def _count(self, split: Split) -> int:
        return self.data.count(split, self.spec.domains, self.spec.limit)

    def _truth(self, split: Split, domain: str) -> pl.Series | pl.Expr:
        """Each row's true probability, or nulls where the data does not know it."""
        rows = self.data.scan(split, (domain,), self.spec.limit)
        with self.data.reading():
            if TRUE_PROBABILITY not in rows.collect_schema():
                return pl.lit(None, pl.Float64).alias(TRUE_PROBABILITY)
            return rows.select(TRUE_PROBABILITY).collect().to_series()

    def _rows(self, split: Split, featurizer: Featurizer, domains: Sequence[str]) -> Rows:
        """Featurised rows; of the processes of a machine, the first one makes what is not in the cache."""
        with self.team.together(), self.team.main_first():
            return view(self.data, featurizer, split, domains, self.spec.limit)

    def _score_options(self) -> dict[str, Any]:
        config = TrainConfig.model_validate(self.spec.train)
        return {"batch_size": config.score_batch_size, "precision": config.precision}

    def _cost(self, model: CTRModel, result: FitResult, energy: Energy) -> Cost:
        parameters, trained = count_parameters(model)
        return Cost(
            parameters=parameters,
            parameters_trained=trained,
            train_seconds=result.train_seconds,
            valid_seconds=result.valid_seconds,
            rows_per_s=result.rows_per_s,
            peak_memory_mb=peak_memory_mb(),
            energy_wh=energy.wh,
            energy_of=energy.of,
            epochs_run=len(result.epochs),
            best_epoch=result.best_epoch,
            steps=result.steps,
        )

    def _store(self, new: pl.LazyFrame, *, anew: bool) -> None:
        """Add rows to the predictions; the same target scored twice is kept once. `anew`: those there are spoilt."""
        path, target = self.folder.predictions, ["split", "domain", "head"]
        if path.exists() and anew:
            stored.set_aside(path, copy=True)
        elif path.exists():
            again = new.select(target).unique()
            new = pl.concat([pl.scan_parquet(path).join(again, on=target, how="anti", maintain_order="left"), new])
        with records.atomic(path) as temporary:
            new.sink_parquet(temporary)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _device(model: CTRModel) -> torch.device:
    return next(model.parameters()).device
