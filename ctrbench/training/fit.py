"""One training loop for every model, on Hugging Face Accelerate."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from torch import Tensor

from ctrbench.errors import ConfigError, DataError, OutputError
from ctrbench.evaluation.score import domain_aucs, score
from ctrbench.features.batch import Batch
from ctrbench.features.loader import Rows, batches, train_order
from ctrbench.models.contract import CTRModel
from ctrbench.training import checkpoint as store
from ctrbench.training.config import TrainConfig
from ctrbench.training.course import FitResult
from ctrbench.training.interrupt import StopRequest, deferred_interrupt
from ctrbench.training.optim import build_optimizers, build_schedulers, dense_gradients
from ctrbench.training.watch import Progress, Watch, silent


def require_one_process() -> None:
    """Raise `ConfigError` under a launcher of several processes."""
    if PartialState().num_processes > 1:
        raise ConfigError("a run trains in one process so far; start ctrbench without a launcher")


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
    for an empty split and for a loss that is not finite. The global random state is left as it was.
    """
    for name, rows in (("train", train), ("valid", valid)):
        if not len(rows):
            raise DataError(f"the {name} split holds no rows of {', '.join(rows.domains)}; choose other domains")
    with _seeded(seed):
        return _Loop(model, train, valid, config, seed, checkpoint, watch).run()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """All randomness inside follows from `seed`; the generators outside are put back."""
    before = store.random_state()
    torch.manual_seed(seed)
    try:
        yield
    finally:
        store.set_random_state(before)


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
    ) -> None:
        self.model, self.train, self.valid = model, train, valid
        self.config, self.seed, self.path, self.watch = config, seed, path, watch
        self.accelerator = Accelerator()
        require_one_process()
        self.optimizers = build_optimizers(model.parameter_groups(), config)
        self.groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        _, *self.prepared = self.accelerator.prepare(model, *self.optimizers)
        self.result = FitResult()
        self.best: dict[str, Tensor] = {}
        self.steps_per_epoch = -(-len(train) // config.batch_size)
        if path is not None and path.exists():
            self._resume(path)
        step = self.result.epoch * self.steps_per_epoch + self.result.step
        self.schedulers = build_schedulers(self.optimizers, config, self.steps_per_epoch, step)
        self.saved_at = time.perf_counter()

    def run(self) -> FitResult:
        with deferred_interrupt() as stop, dense_gradients(self.model, self.config.embeddings == "dense"):
            while self.result.epoch < self.config.epochs and not self._exhausted():
                self._epoch(stop)
        store.load_trained(self.model, self.best)
        return self.result

    def _exhausted(self) -> bool:
        return len(self.result.epochs) - 1 - self.result.best_epoch >= self.config.patience

    def _epoch(self, stop: StopRequest) -> None:
        result, config = self.result, self.config
        order = train_order(self.train, config.batch_size, self.seed, result.epoch)
        done = sum(len(indices) for indices in order[: result.step])
        self.model.train()
        start = time.perf_counter()
        for batch in batches(self.train, order, skip=result.step):
            loss = self._step(batch.to(self.accelerator.device))
            seconds = time.perf_counter() - start
            done += len(batch)
            result.step += 1
            result.steps += 1
            result.loss_sum += loss
            result.epoch_seconds += seconds
            result.train_seconds += seconds
            result.train_rows += len(batch)
            self._tell(loss, done)
            if stop:
                self._save()
                raise KeyboardInterrupt
            if time.perf_counter() - self.saved_at > config.checkpoint_seconds:
                self._save()
            start = time.perf_counter()
        self._validate(stop)
        self._save()
        if stop:
            raise KeyboardInterrupt

    def _step(self, batch: Batch) -> float:
        with torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            loss = self.model.loss(batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise DataError(f"the loss became {value} in epoch {self.result.epoch + 1}; try a lower learning rate")
        self.accelerator.backward(loss)
        if self.config.max_grad_norm is not None:
            dense = [p for group in self.groups for p in group["params"] if p.grad is not None and not p.grad.is_sparse]
            self.accelerator.clip_grad_norm_(dense, self.config.max_grad_norm)
        for optimizer in self.prepared:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        for scheduler in self.schedulers:
            scheduler.step()
        return value

    def _validate(self, stop: StopRequest) -> None:
        def watch(progress: Progress) -> None:
            self.watch(replace(progress, epoch=result.epoch + 1, epochs=self.config.epochs))
            if stop:
                self._save()
                raise KeyboardInterrupt

        result, config, start = self.result, self.config, time.perf_counter()
        batch_size, precision = config.score_batch_size, config.precision
        scored = score(self.model, self.valid, batch_size=batch_size, precision=precision, watch=watch)
        result.valid_seconds += time.perf_counter() - start
        if result.end_epoch(domain_aucs(scored)):
            self.best = store.trained_state(self.model)

    def _tell(self, loss: float, done: int) -> None:
        result = self.result
        auc = result.epochs[-1].mean_auc if result.epochs else None
        progress = Progress(
            "train",
            done,
            len(self.train),
            epoch=result.epoch + 1,
            epochs=self.config.epochs,
            loss=loss,
            auc=auc,
            rows_per_s=result.rows_per_s,
        )
        self.watch(progress)

    def _save(self) -> None:
        self.saved_at = time.perf_counter()
        if self.path is None:
            return
        optim, scalars = store.pack_optimizers(self.optimizers)
        parts = {
            "model": store.trained_state(self.model),
            "best": self.best,
            "optim": optim,
            "random": store.random_state(),
        }
        tensors = {f"{part}/{name}": tensor for part, named in parts.items() for name, tensor in named.items()}
        state: dict[str, Any] = {"result": self.result.model_dump(), "optim": scalars, "config": self._identity()}
        store.save_tensors(self.path, tensors, state)

    def _resume(self, path: Path) -> None:
        tensors, state = store.load_tensors(path)
        if state["config"] != self._identity():
            raise OutputError(
                f"checkpoint {path} is of another configuration; delete the folder {path.parent} to run this again"
            )
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optim": {}, "random": {}}
        for name, tensor in tensors.items():
            part, rest = name.split("/", 1)
            parts[part][rest] = tensor
        store.load_trained(self.model, parts["model"])
        store.unpack_optimizers(self.optimizers, parts["optim"], state["optim"])
        store.set_random_state(parts["random"])
        self.best = parts["best"]
        self.result = FitResult(**state["result"])

    def _identity(self) -> dict[str, Any]:
        train = self.config.model_dump(mode="json", exclude=set(TrainConfig.NEUTRAL))
        return {"train": train, "seed": self.seed, "rows": len(self.train)}
