"""The course of a training, as numbers. Nothing here imports torch."""

from __future__ import annotations

from math import isnan
from statistics import fmean
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _known(value: Any) -> Any:
    """JSON has no NaN: an AUC of one class only is unknown."""
    return None if isinstance(value, float) and isnan(value) else value


Number = Annotated[float | None, BeforeValidator(_known)]
"""A number, or None where it is unknown."""


class Epoch(BaseModel):
    """What one epoch gave: mean training loss, validation AUC of each domain, seconds of training."""

    model_config = ConfigDict(extra="forbid")

    epoch: int
    loss: float
    valid_auc: dict[str, Number]
    seconds: float

    @property
    def mean_auc(self) -> float | None:
        """Mean over the domains that have both classes; None where none has."""
        known = [value for value in self.valid_auc.values() if value is not None]
        return fmean(known) if known else None


class FitResult(BaseModel):
    """A training so far; also the part of a checkpoint that is no tensor. Seconds are wall time."""

    epochs: list[Epoch] = []
    best_epoch: int = -1
    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    epoch_seconds: float = 0.0
    steps: int = 0
    train_rows: int = 0
    train_seconds: float = 0.0
    valid_seconds: float = 0.0

    @property
    def rows_per_s(self) -> float | None:
        """Rows trained on per second, validation not counted."""
        return self.train_rows / self.train_seconds if self.train_seconds else None

    @property
    def best_auc(self) -> float | None:
        """Mean validation AUC of the epoch whose weights were kept."""
        return self.epochs[self.best_epoch].mean_auc if self.epochs else None

    @property
    def place(self) -> str:
        """Where the training stands, in words: the last step that it made."""
        return f"epoch {self.epoch + 1}, step {self.step}" if self.step else f"epoch {self.epoch}"

    def add_step(self, loss: float, rows: int, seconds: float) -> None:
        """Count one step and the rows that it trained on."""
        self.step += 1
        self.steps += 1
        self.loss_sum += loss
        self.epoch_seconds += seconds
        self.train_seconds += seconds
        self.train_rows += rows

    def end_epoch(self, valid_auc: dict[str, float]) -> bool:
        """Close the running epoch; True where it is the best so far, so that its weights are to be kept."""
        epoch = Epoch(
            epoch=self.epoch,
            loss=self.loss_sum / max(self.step, 1),
            valid_auc=valid_auc,
            seconds=self.epoch_seconds,
        )
        best, now = self.best_auc, epoch.mean_auc
        self.epochs.append(epoch)
        better = best is None or (now is not None and now > best)
        if better:
            self.best_epoch = self.epoch
        self.epoch, self.step, self.loss_sum, self.epoch_seconds = self.epoch + 1, 0, 0.0, 0.0
        return better
