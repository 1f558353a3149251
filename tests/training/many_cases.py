"""What several processes do in `test_many.py`, and one process for comparison: `python -m ... FOLDER`."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import torch
from safetensors.torch import save_file
from torch import Tensor

from ctrbench.errors import CtrbenchError, DataError
from ctrbench.evaluation.score import domain_aucs, score
from ctrbench.features.loader import Rows
from ctrbench.models.contract import CTRModel
from ctrbench.training.config import TrainConfig
from ctrbench.training.fit import fit
from ctrbench.training.processes import team
from ctrbench.training.watch import Progress
from tests.toys import build, toy_rows, view

CONFIG = TrainConfig(epochs=2, batch_size=9, lr=1e-2, optimizer="adamw", weight_decay=0.01, max_grad_norm=1.0)
PLAIN = {"dropout": 0.0}
CASES = {
    "uni_ctr": ("uni_ctr", {**PLAIN, "lora_dropout": 0.0, "max_length": 24, "tower": (8,)}, CONFIG),
    "frozen": ("uni_ctr", {**PLAIN, "tuning": "frozen", "max_length": 24, "tower": (8,)}, CONFIG),
    "deepfm": ("deepfm", PLAIN, CONFIG),
    "deepfm_dense": ("deepfm", PLAIN, CONFIG.model_copy(update={"embeddings": "dense"})),
    "mmoe": ("mmoe", PLAIN, CONFIG),
}
COUPLED = ("star", "dien")
"""Their losses couple the rows of a batch: several processes come to other weights than one, all to the same."""
DROPOUT = ("uni_ctr", {"dropout": 0.3, "max_length": 24, "tower": (8,)}, CONFIG)


def setup(name: str, changes: dict) -> tuple[CTRModel, Rows, Rows]:
    """55 rows: of nine in a batch, two processes take five and four, of an epoch's last one, one and none.

    Few rows are of `tools`, none of `games` in training.
    """
    model, featurizer = build(name, **changes)
    rows = toy_rows(90)
    kept = pl.concat([rows.filter(domain="books"), rows.filter(domain="tools").head(6)]).sort("row_id")
    few = kept.head(55) if len(kept) > 55 else pl.concat([kept, rows.filter(domain="books").head(55 - len(kept))])
    return model, view(featurizer, few), view(featurizer, toy_rows(31, 1000, seed=1))


def train(folder: Path, case: str) -> None:
    """A whole training: losses of all steps, course, weights and scores."""
    name, changes, config = CASES[case]
    model, rows, valid = setup(name, changes)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    losses: list[float] = []

    def watch(progress: Progress) -> None:
        if progress.loss is not None:
            losses.append(progress.loss)

    result = fit(model, rows, valid, config, seed=3, watch=watch)
    scored = score(model, valid, ("own", "mean"), batch_size=7)
    keep(folder, case, {**model.state_dict(), "logits": torch.tensor(scored[["own", "mean"]].to_numpy())})
    unmoved = [key for key, value in model.state_dict().items() if torch.equal(value, before[key])]
    course = [(epoch.loss, epoch.valid_auc) for epoch in result.epochs]
    tell(folder, case, {"losses": losses, "course": course, "unmoved": unmoved, "rows": result.train_rows,
                        "auc": domain_aucs(scored), "ids": scored["row_id"].to_list()})  # fmt: skip


def alike(folder: Path, name: str) -> None:
    """Weights and statistics after a training that processes see different statistics in."""
    model, rows, valid = setup(name, {})
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fit(model, rows, valid, CONFIG, seed=3)
    keep(folder, name, model.state_dict())
    tell(folder, name, [key for key, value in model.state_dict().items() if torch.equal(value, before[key])])


def resume(folder: Path) -> None:
    """With dropout: one process alone is asked to stop, all do, and the second half gives what one go gives."""
    name, changes, config = DROPOUT
    model, rows, valid = setup(name, changes)
    fit(model, rows, valid, config, seed=3)
    keep(folder, "whole", model.state_dict())
    path = folder.parent / "checkpoint.safetensors"
    seen: list[Progress] = []

    def press(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == 4 and team().rank == team().count - 1:
            os.kill(os.getpid(), signal.SIGINT)

    try:
        fit(setup(name, changes)[0], rows, valid, config, seed=3, checkpoint=path, watch=press)
    except KeyboardInterrupt:
        tell(folder, "stopped", len(seen))
    team().on_main(lambda: (folder.parent / "kept.safetensors").write_bytes(path.read_bytes()))
    model = setup(name, changes)[0]
    fit(model, rows, valid, config, seed=3, checkpoint=path)
    keep(folder, "resumed", model.state_dict())


def fail(folder: Path) -> None:
    """The last process alone fails in its third step, in one way after the other."""
    path = folder.parent / "failing.safetensors"
    ways = {
        "error": lambda: 1 / 0,
        "memory": lambda: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory.")),
        "nan": lambda: torch.tensor(float("nan")),
        "inf": lambda: torch.tensor(float("inf")),
    }
    for way, act in ways.items():
        model, rows, valid = setup(*CASES["uni_ctr"][:2])
        calls, loss = [], model.loss

        def broken(batch, loss=loss, calls=calls, act=act) -> Tensor:
            calls.append(batch)
            whole = loss(batch)
            return whole * act() if len(calls) == 3 and team().rank == team().count - 1 else whole

        model.loss = broken  # type: ignore[method-assign]
        config = CONFIG.model_copy(update={"checkpoint_seconds": 0.0})
        try:
            fit(model, rows, valid, config, seed=3, checkpoint=path)
        except (CtrbenchError, ArithmeticError) as error:
            tell(folder, f"fail_{way}", [type(error).__name__, str(error), getattr(error, "elsewhere", False)])
        tell(folder, f"steps_{way}", len(calls))
        team().on_main(path.unlink)


class Held(torch.nn.Module):
    """Buffers that never move, and two that each process moves by its rank + 1."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.tensor([True, False]))
        self.register_buffer("bias", torch.tensor([float("-inf"), 0.0]))
        self.register_buffer("mean", torch.tensor([1.0, float("-inf")]))
        self.register_buffer("steps", torch.tensor(5))


def buffers(folder: Path) -> None:
    """What becomes of a model's buffers in training, and how many numbers of theirs travel."""
    model, rows, valid = setup(*CASES["deepfm"][:2])
    model.held = held = Held()  # type: ignore[assignment]
    loss = model.loss

    def moving(batch) -> Tensor:
        held.mean[0] += team().rank + 1
        held.steps.add_(1)
        return loss(batch)

    model.loss = moving  # type: ignore[method-assign]
    result = fit(model, rows, valid, CONFIG.model_copy(update={"epochs": 1}), seed=3)
    keep(folder, "buffers", held.state_dict())
    tell(folder, "buffers", result.steps)


def fail_elsewhere(folder: Path) -> None:
    """The last process alone fails outside of the forward and backward passes."""
    from ctrbench.training.step import Step

    last = team().rank == team().count - 1

    def fault(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    def attempt(name: str, work: Callable[[], object]) -> None:
        try:
            work()
        except CtrbenchError as error:
            tell(folder, f"fail_{name}", [type(error).__name__, str(error), error.elsewhere])

    model, rows, valid = setup(*CASES["deepfm"][:2])
    move, batch = Step._move, Rows.batch
    if last:
        Step._move = fault  # type: ignore[method-assign, assignment]
    attempt("move", lambda: fit(model, rows, valid, CONFIG, seed=3))
    Step._move = move  # type: ignore[method-assign]
    if last:
        Rows.batch = fault  # type: ignore[method-assign, assignment]
    attempt("batch", lambda: fit(model, rows, valid, CONFIG, seed=3))
    attempt("score_batch", lambda: score(model, valid))
    Rows.batch = batch  # type: ignore[method-assign]
    if last:
        model.logits = fault  # type: ignore[method-assign, assignment]
    attempt("score", lambda: score(model, valid))


def take_turns(folder: Path) -> None:
    """When the main process was done with what it does first, and the others began; and after a failure of it."""
    times = []
    with team().main_first():
        times.append(time.monotonic())
        if team().main:
            time.sleep(0.3)
        times.append(time.monotonic())
    try:
        with team().together(), team().main_first():
            if team().main:
                raise DataError("no rows")
    except DataError as error:
        tell(folder, "turns", [times, str(error)])


def disagree(folder: Path) -> None:
    """What only the main process does, and how its errors reach the others."""
    from ctrbench.errors import OutputError

    def write() -> None:
        raise OutputError("the disk is full")

    found = [team().on_main(lambda: {"rank": team().rank})]
    try:
        team().on_main(write)
    except CtrbenchError as error:
        found += [type(error).__name__, str(error), error.elsewhere]
    tell(folder, "on_main", [*found, team().agree([team().rank, 1 - team().rank])])


def keep(folder: Path, name: str, tensors: dict[str, Tensor]) -> None:
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / f"{name}.safetensors")


def tell(folder: Path, name: str, facts: object) -> None:
    (folder / f"{name}.json").write_text(json.dumps(facts))


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    folder = folder / str(team().rank)
    folder.mkdir(parents=True)
    for case in CASES:
        train(folder, case)
    for name in COUPLED:
        alike(folder, name)
    resume(folder)
    fail(folder)
    fail_elsewhere(folder)
    buffers(folder)
    take_turns(folder)
    disagree(folder)
    team().leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
