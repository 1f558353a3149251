"""One training loop for every model, in one process or many."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ctrbench.errors import DataError, NotFinite
from ctrbench.evaluation.score import domain_aucs, score
from ctrbench.features.batch import Batch
from ctrbench.features.loader import Rows, batches, prefetch
from ctrbench.features.order import train_order
from ctrbench.models.contract import CTRModel
from ctrbench.training import checkpoint as store
from ctrbench.training.config import TrainConfig
from ctrbench.training.course import FitResult
from ctrbench.training.exchange import Exchange
from ctrbench.training.failures import not_finite
from ctrbench.training.interrupt import StopRequest, deferred_interrupt
from ctrbench.training.optim import build_optimizers, build_schedulers, dense_gradients
from ctrbench.training.processes import Team, team
from ctrbench.training.saver import Saver
from ctrbench.training.shard import is_sharded, place
from ctrbench.training.states import with_fixed_states
from ctrbench.training.step import Step
from ctrbench.training.watch import Progress, Watch, silent


def fit(
    model: CTRModel,
    train: Rows,
    valid: Rows,
    config: TrainConfig,
    *,
    seed: int,
    checkpoint: Path | None = None,
    watch: Watch = silent,
) -> FitResult:
    """Train `model` in place, and leave it with the weights of its best epoch by mean validation AUC over domains.

    With `checkpoint`, state is saved there at every epoch's end, every `checkpoint_seconds`, and on Ctrl-C; a file
    that is already there is resumed, which on CPU gives bitwise what an uninterrupted run gives. Raises `DataError`
    for an empty split and for a loss that is not finite, and `ConfigError` where memory runs out. The global random
    state is left as it was.

    Under a launcher, every process calls this with the same arguments, and works on its part of every batch.
    """
    processes = team()
    with processes.together():
        for name, rows in (("train", train), ("valid", valid)):
            if not len(rows):
                raise DataError(f"the {name} split holds no rows of {', '.join(rows.domains)}; choose other domains")
    with _seeded(processes.seed(seed), processes.device):
        return _Loop(model, train, valid, config, seed, checkpoint, watch, processes).run()


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """All randomness inside follows from `seed`; the generators outside are put back."""
    before = store.random_state(device)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        store.set_random_state(before, device)


class _Loop:
    """The state of one training."""

    def __init__(
        self,
        model: CTRModel,
        train: Rows,
        valid: Rows,
        config: TrainConfig,
        seed: int,
        path: Path | None,
        watch: Watch,
        team: Team,
    ) -> None:
        self.model, self.train, self.valid = model, train, valid
        self.config, self.seed, self.watch, self.team = config, seed, watch, team
        with team.together():
            optimizers = build_optimizers(model.parameter_groups(), config)
        place(model, team)
        start = time.perf_counter()
        self._keep_states()
        seconds = time.perf_counter() - start
        self.steps_per_epoch = -(-len(train) // config.batch_size)
        self.saver = Saver(path, self._identity(), seed, team, model, optimizers)
        self.result, self.best = self.saver.resume()
        self.result.epoch_seconds += seconds
        self.result.train_seconds += seconds
        step = self.result.epoch * self.steps_per_epoch + self.result.step
        schedulers = build_schedulers(optimizers, config, self.steps_per_epoch, step)
        exchange = Exchange(model, optimizers, team)
        self.step = Step(model, optimizers, schedulers, config, exchange, self._not_finite, is_sharded(model))

    def _keep_states(self) -> None:
        """Rows hand the states of frozen parts with their batches; not where processes compute those together."""
        config, team = self.config, self.team
        if is_sharded(self.model):
            return
        with team.together(), team.main_first():
            self.train, self.valid = with_fixed_states(
                self.model,
                (self.train, self.valid),
                batch_size=config.score_batch_size,
                precision=config.precision,
                limit=config.cache_gb * 1e9,
                watch=self.watch,
            )

    def run(self) -> FitResult:
        with deferred_interrupt() as stop, dense_gradients(self.model, self.config.embeddings == "dense"):
            while self.result.epoch < self.config.epochs and not self._exhausted():
                self._epoch(stop)
        store.load_trained(self.model, self.best)
        return self.result

    def _exhausted(self) -> bool:
        return len(self.result.epochs) - 1 - self.result.best_epoch >= self.config.patience

    def _epoch(self, stop: StopRequest) -> None:
        def asks() -> tuple[bool, bool]:
            return bool(stop), self.saver.due(config.checkpoint_seconds)

        result, config = self.result, self.config
        order = train_order(self.train, config.batch_size, self.seed, result.epoch)[result.step :]
        coming = prefetch(batches(self.train, map(self.team.part, order)), self.team.device)
        self.model.train()
        start = time.perf_counter()
        for indices in order:
            loss, (stopping, due) = self.step(coming, self.team.share(indices), asks)
            result.add_step(loss, len(indices), time.perf_counter() - start)
            self._tell(loss)
            if stopping or due:
                self.saver.save(result, self.best)
            if stopping:
                raise KeyboardInterrupt
            start = time.perf_counter()
        self._validate(stop)
        self.saver.save(result, self.best)
        self._stop_if_asked(stop)

    def _validate(self, stop: StopRequest) -> None:
        def watch(progress: Progress) -> None:
            self.watch(replace(progress, epoch=result.epoch + 1, epochs=self.config.epochs))
            self._stop_if_asked(stop)

        result, config, start = self.result, self.config, time.perf_counter()
        batch_size, precision = config.score_batch_size, config.precision
        scored = score(self.model, self.valid, batch_size=batch_size, precision=precision, watch=watch)
        result.valid_seconds += time.perf_counter() - start
        if result.end_epoch(domain_aucs(scored)):
            self.best = store.trained_state(self.model)

    def _stop_if_asked(self, stop: StopRequest) -> None:
        """Where any process was asked to stop between steps, save and stop on all."""
        if self.team.agree([bool(stop)])[0]:
            self.saver.save(self.result, self.best)
            raise KeyboardInterrupt

    def _tell(self, loss: float) -> None:
        result = self.result
        auc = result.epochs[-1].mean_auc if result.epochs else None
        progress = Progress(
            "train",
            result.train_rows - result.epoch * len(self.train),
            len(self.train),
            epoch=result.epoch + 1,
            epochs=self.config.epochs,
            loss=loss,
            auc=auc,
            rows_per_s=result.rows_per_s,
        )
        self.watch(progress)

    def _not_finite(self, value: float, batch: Batch) -> NotFinite:
        place = f"epoch {self.result.epoch + 1}, step {self.result.step + 1} of {self.steps_per_epoch}"
        return not_finite(value, batch, place, self.saver.kept())

    def _identity(self) -> dict[str, Any]:
        train = self.config.model_dump(mode="json", exclude=set(TrainConfig.NEUTRAL))
        return {"train": train, "seed": self.seed, "rows": len(self.train)}
