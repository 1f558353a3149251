"""One run: train what is not trained yet, score what is not scored yet, and leave a record.

A run is a function of its `RunSpec` and the prepared dataset.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import torch

from ctrbench.backbones.files import resolved
from ctrbench.bench import grow, needs, records, stored, turns
from ctrbench.bench.build import train_config
from ctrbench.bench.cost import cost_of, reset_peak_memory
from ctrbench.bench.energy import Energy, measured
from ctrbench.bench.extras import keep_representations
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.latency import keep_latency
from ctrbench.bench.provenance import provenance
from ctrbench.bench.records import DatasetFacts, Record, Target
from ctrbench.bench.scoring import Trained, rows_of, score_options, score_targets
from ctrbench.bench.shared import ensure_writable, record_of_main
from ctrbench.conduct.blame import Suspect
from ctrbench.conduct.watch import running
from ctrbench.data.resolve import cache_dir
from ctrbench.errors import Damaged, LostProcess, OutputError, in_words
from ctrbench.evaluation.probe import probe
from ctrbench.models.contract import CTRModel
from ctrbench.training.checkpoint import save_tensors, trained_state
from ctrbench.training.fit import fit
from ctrbench.training.processes import Team, team
from ctrbench.training.shard import is_sharded, place
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
    run = _Run(planned, data, folder, watch, processes)
    with turns.awaited(folder, processes), running(run.suspect, (folder.path, cache_dir())):
        record = _execute(run, planned.targets, results)
        return run.attempt(lambda: run.keep(record, planned.needs)) if record.status == "done" else record


def _execute(run: _Run, targets: Sequence[Target], results: Path) -> Record:
    def finish() -> Record:
        if trained is None or record.status == "done":
            records.save(results, record)
        if record.status == "done":
            turns.forget_course(run.folder)
        return record

    before = record_of_main(run.team, lambda: _before(run.folder))
    trained = before if before is not None and before.status == "done" else None
    record = run.attempt(lambda: run.score(trained or run.train(), targets))
    final = record_of_main(run.team, finish)
    assert final is not None
    return final


def _before(folder: RunFolder) -> Record | None:
    """What there is of a run, after clearing up what a killed process left there."""
    for path in turns.half_written(folder.path):
        path.unlink(missing_ok=True)
    record = stored.recover(folder)
    if record is None or record.status != "done":
        stored.check_checkpoint(folder)
    return record


@dataclass
class _Run:
    planned: PlannedRun
    data: PreparedDataset
    folder: RunFolder
    watch: Watch
    team: Team
    model: CTRModel | None = field(default=None, init=False)
    featurizer: Featurizer | None = field(default=None, init=False)
    backbones: Mapping[str, Mapping[str, str]] = field(default_factory=dict, init=False)
    """Those that the model asked for, and who brings them."""

    @property
    def spec(self) -> RunSpec:
        return self.planned.spec

    @property
    def suspect(self) -> Suspect:
        return Suspect("models", self.spec.model)

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
        base_file = self.team.on_main(lambda: grow.begin(self.spec, self.folder))
        with self.team.together(), resolved() as self.backbones:
            self.watch(Progress("features", 0, self._count("train") + self._count("valid")))
            model, featurizer = self.model, self.featurizer = grow.untrained(self.spec, self.data, self.folder)
        old = self._old_domains(model, featurizer, base_file)
        train, valid = (self._rows(split, featurizer) for split in ("train", "valid"))
        begins = not self.team.on_main(self.folder.checkpoint.exists)
        if begins:
            self._probe(model, train)
        told = self.team.count == 1 and begins  # else only a part of it was measured
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
            cost=cost_of(model, result, energy if told else Energy()),
            growth=growth,
            history=result.epochs,
            provenance={
                **provenance(self.planned, self.data, self.backbones, _device(model)),
                "started": started,
                "finished": _now(),
            },
            notes=[*model.notes(), *featurizer.notes()],
        )

    def _probe(self, model: CTRModel, train: Rows) -> None:
        """Find a plugin's faults on a few rows, before anything is spent; what is resumed was probed when it began."""
        place(model, self.team)
        if is_sharded(model):
            _log.debug("%s is not probed: its processes share its weights", self.spec.model)
            return
        with self.team.together():
            probe(model, train, self.suspect, train_config(self.spec, model).precision)

    def _old_domains(self, model: CTRModel, featurizer: Featurizer, base_file: str) -> grow.OldDomains | None:
        """Of a run with a base: what its model says of the old domains before it is trained."""
        if self.spec.base is None:
            return None
        place(model, self.team)
        options = score_options(self.spec)
        return grow.OldDomains.of(self.spec, self.data, self.folder, model, featurizer, options, base_file)

    def _keep(self, model: CTRModel, featurizer: Featurizer) -> None:
        needs.forget(self.folder)
        self.folder.predictions.unlink(missing_ok=True)  # those of an earlier training, which has no record any more
        save_tensors(self.folder.model, trained_state(model), {"spec": self.spec.model_dump(mode="json")})
        with records.atomic(self.folder.features) as temporary:
            temporary.write_text(json.dumps(featurizer.state()), "utf-8")

    def score(self, record: Record, targets: Sequence[Target]) -> Record:
        """Score the targets that the record lacks; predictions are written before the record says so."""
        missing = [target for target in targets if record.metric(target) is None]
        return score_targets(self._trained(), record, missing) if missing else record

    def keep(self, record: Record, wanted: Iterable[Need]) -> Record:
        """Leave on disk what is needed beside scores, and is not there."""
        missing = self.team.on_main(lambda: needs.lacking(self.folder, wanted))
        if not missing:
            return record
        trained = self._trained()
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
            error=self.suspect.sentence(error),
            spec=self.spec,
            dataset=DatasetFacts.of(self.data),
            provenance={
                **provenance(self.planned, self.data, self.backbones, self.team.device),
                "finished": _now(),
            },
        )

    def _trained(self) -> Trained:
        """The model with its best weights: still here after training, else from the run's folder."""
        if self.model is None or self.featurizer is None:
            with self.team.together():
                self.model, self.featurizer = grow.trained(self.spec, self.data, self.folder)
            place(self.model, self.team)
        return Trained(self.spec, self.data, self.folder, self.watch, self.team, self.model, self.featurizer)

    def _count(self, split: Split) -> int:
        return self.data.count(split, self.spec.domains, self.spec.limit)

    def _rows(self, split: Split, featurizer: Featurizer) -> Rows:
        return rows_of(self.data, featurizer, split, self.spec.domains, self.spec.limit, self.team)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _device(model: CTRModel) -> torch.device:
    return next(model.parameters()).device
