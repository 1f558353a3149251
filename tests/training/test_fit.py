"""One loop: interrupted and resumed is uninterrupted; the best epoch is kept; global randomness stays as it was."""

import math
import os
import signal

import polars as pl
import pytest
import torch

from ctrbench.errors import ConfigError, DataError, OutputError
from ctrbench.training import fit as module
from ctrbench.training.checkpoint import load_tensors
from ctrbench.training.config import TrainConfig
from ctrbench.training.course import Epoch, FitResult
from ctrbench.training.fit import fit
from ctrbench.training.watch import Progress
from tests.toys import DOMAINS, build, toy_rows, view

ALL = pytest.mark.parametrize("name", ["deepfm", "mmoe", "uni_ctr"])
CONFIG = TrainConfig(epochs=3, batch_size=32, lr=1e-2, patience=5, optimizer="adamw", weight_decay=0.01)


def setup(name: str, train: int = 120):
    config = {"max_length": 24} if name == "uni_ctr" else {}
    model, featurizer = build(name, **config)
    return model, view(featurizer, toy_rows(train)), view(featurizer, toy_rows(60, 1000, seed=1))


def course(result: FitResult) -> list:
    return [(epoch.loss, epoch.valid_auc) for epoch in result.epochs]


def interrupt_at(step: int):
    """A watcher that presses Ctrl-C after so many steps."""
    seen = []

    def watch(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == step:
            os.kill(os.getpid(), signal.SIGINT)

    return watch


@pytest.mark.parametrize("step", [2, 4, 7, 12])
@ALL
def test_interrupted_and_resumed_is_bitwise_uninterrupted(name, step, tmp_path):
    model, train, valid = setup(name)
    whole = fit(model, train, valid, CONFIG, seed=3)
    expected = {key: value.clone() for key, value in model.state_dict().items()}
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(KeyboardInterrupt):
        fit(setup(name)[0], train, valid, CONFIG, seed=3, checkpoint=path, watch=interrupt_at(step))
    assert path.exists()
    model, train, valid = setup(name)
    resumed = fit(model, train, valid, CONFIG, seed=3, checkpoint=path)
    assert course(resumed) == course(whole)
    assert resumed.steps == whole.steps
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())


def test_dense_embeddings_train_and_resume_bitwise(tmp_path):
    config, path = CONFIG.model_copy(update={"embeddings": "dense"}), tmp_path / "checkpoint.safetensors"
    model, train, valid = setup("deepfm")
    sparse = {key: value.clone() for key, value in model.state_dict().items()}
    fit(model, train, valid, config, seed=3)
    expected = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(KeyboardInterrupt):
        fit(setup("deepfm")[0], train, valid, config, seed=3, checkpoint=path, watch=interrupt_at(4))
    resumed = setup("deepfm")[0]
    fit(resumed, train, valid, config, seed=3, checkpoint=path)
    assert all(torch.equal(value, expected[key]) for key, value in resumed.state_dict().items())
    assert any(not torch.equal(value, expected[key]) for key, value in sparse.items())


def test_a_finished_checkpoint_trains_no_further(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    model, train, valid = setup("deepfm")
    first = fit(model, train, valid, CONFIG, seed=0, checkpoint=path)
    again = setup("deepfm")[0]
    assert fit(again, train, valid, CONFIG, seed=0, checkpoint=path).steps == first.steps
    assert all(torch.equal(again.state_dict()[key], value) for key, value in model.state_dict().items())


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    model, train, valid = setup("deepfm")
    fit(model, train, valid, CONFIG, seed=0, checkpoint=path)
    with pytest.raises(OutputError, match="another configuration"):
        fit(setup("deepfm")[0], train, valid, CONFIG, seed=1, checkpoint=path)


def test_a_broken_checkpoint_is_one_sentence(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(b"not a checkpoint")
    model, train, valid = setup("deepfm")
    with pytest.raises(OutputError, match="delete the folder"):
        fit(model, train, valid, CONFIG, seed=0, checkpoint=path)


def test_the_best_epoch_is_restored_also_when_patience_never_expires(monkeypatch):
    model, train, valid = setup("deepfm")
    aucs = iter([0.6, 0.9, 0.7])
    states = []

    def fake(scored: pl.DataFrame) -> dict[str, float]:
        states.append({key: value.clone() for key, value in model.state_dict().items()})
        return dict.fromkeys(DOMAINS, next(aucs))

    monkeypatch.setattr(module, "domain_aucs", fake)
    result = fit(model, train, valid, CONFIG, seed=0)
    assert result.best_epoch == 1
    assert all(torch.equal(value, states[1][key]) for key, value in model.state_dict().items())
    assert any(not torch.equal(value, states[2][key]) for key, value in model.state_dict().items())


def test_patience_ends_training_and_only_auc_counts(monkeypatch):
    model, train, valid = setup("deepfm")
    aucs = iter([0.7, 0.6, 0.65, 0.9])
    monkeypatch.setattr(module, "domain_aucs", lambda scored: {"books": next(aucs)})
    config = CONFIG.model_copy(update={"epochs": 9, "patience": 2})
    result = fit(model, train, valid, config, seed=0)
    assert len(result.epochs) == 3
    assert result.best_epoch == 0


def test_a_domain_with_one_class_does_not_count_for_selection():
    epoch = Epoch(epoch=0, loss=1.0, valid_auc={"books": math.nan, "games": 0.7, "tools": 0.5}, seconds=1.0)
    assert epoch.mean_auc == pytest.approx(0.6)


def test_where_no_domain_has_both_classes_the_latest_epoch_is_kept():
    result = FitResult()
    assert [result.end_epoch({"books": math.nan}) for _ in range(3)] == [True, True, True]
    assert result.best_epoch == 2
    assert result.end_epoch({"books": 0.5})
    assert not result.end_epoch({"books": math.nan})


@ALL
def test_the_seed_decides_everything_and_nothing_outside_is_touched(name):
    torch.manual_seed(123)
    before = torch.get_rng_state()
    runs = []
    for seed in (0, 0, 1):
        model, train, valid = setup(name)
        runs.append(course(fit(model, train, valid, CONFIG.model_copy(update={"epochs": 1}), seed=seed)))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_an_empty_split_is_an_error():
    model, train, valid = setup("deepfm")
    empty = type(train)({}, train.domain[:0], train.domains, train.label[:0], train.row_id[:0])
    with pytest.raises(DataError, match="train split holds no rows"):
        fit(model, empty, valid, CONFIG, seed=0)


def test_a_loss_that_is_not_finite_names_the_batch_and_the_state_that_is_kept(tmp_path):
    """From the second step on, which the checkpoint of the first one survives."""
    path = tmp_path / "checkpoint.safetensors"
    model, train, valid = setup("uni_ctr")
    loss, seen = model.loss, []

    def broken(batch):
        seen.append(batch)
        return loss(batch) * (math.nan if len(seen) == 2 else 1)

    model.loss = broken
    config = CONFIG.model_copy(update={"checkpoint_seconds": 0.0})
    with pytest.raises(DataError) as error:
        fit(model, train, valid, config, seed=0, checkpoint=path)
    ids = ", ".join(str(row) for row in seen[1].row_id[:5].tolist())
    text = str(error.value)
    assert "the loss became nan in epoch 1, step 2 of 4, on 32 rows of books, games, tools" in text
    assert f"(row_id {ids}, ...)" in text
    assert f"the state after epoch 1, step 1 is kept in {path}" in text
    assert "try a lower learning rate" in text
    assert load_tensors(path)[1]["result"]["steps"] == 1


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    """They are those of the second step; the next loss would tell."""
    path = tmp_path / "checkpoint.safetensors"
    model, train, valid = setup("deepfm")

    def poison(progress: Progress) -> None:
        if progress.done == 64:
            with torch.no_grad():
                model.bias.fill_(math.inf)

    config = CONFIG.model_copy(update={"checkpoint_seconds": 0.0})
    with pytest.raises(DataError, match="weights bias are no longer finite after epoch 1, step 2; the state after"):
        fit(model, train, valid, config, seed=0, checkpoint=path, watch=poison)
    tensors, state = load_tensors(path)
    assert state["result"]["steps"] == 1
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


@pytest.mark.parametrize(
    "fault", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), OSError(12, "Cannot allocate memory")]
)
def test_where_memory_runs_out_the_size_of_the_batch_and_what_to_lower_are_named(fault):
    model, train, valid = setup("uni_ctr")

    def loss(batch):
        raise fault

    model.loss = loss
    words = r"out of memory on 32 rows x 24 tokens; lower train.batch_size or config.max_length \(24\), or set"
    with pytest.raises(ConfigError, match=words):
        fit(model, train, valid, CONFIG, seed=0)


def test_other_faults_of_a_model_stay_what_they_are():
    model, train, valid = setup("deepfm")
    model.loss = lambda batch: torch.zeros(2) @ torch.zeros(3)
    with pytest.raises(RuntimeError, match="size"):
        fit(model, train, valid, CONFIG, seed=0)


def test_training_learns():
    model, train, valid = setup("deepfm", train=600)
    result = fit(model, train, valid, CONFIG.model_copy(update={"epochs": 8}), seed=0)
    assert result.best_auc > 0.75
    assert result.epochs[-1].loss < result.epochs[0].loss


def test_bf16_trains():
    model, train, valid = setup("uni_ctr", train=40)
    result = fit(model, train, valid, CONFIG.model_copy(update={"epochs": 1, "precision": "bf16"}), seed=0)
    assert math.isfinite(result.epochs[0].loss)
