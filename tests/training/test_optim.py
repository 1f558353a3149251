"""Optimiser groups and learning rates."""

import pytest
import torch
from torch.optim.lr_scheduler import CyclicLR

from ctrbench.errors import ConfigError
from ctrbench.training.config import TrainConfig
from ctrbench.training.optim import build_optimizers, build_schedulers, dense_gradients, rate_factor
from tests.toys import build, toy_batch


def test_a_step_moves_only_the_table_rows_of_the_batch():
    model, featurizer = build("deepfm")
    optimizers = build_optimizers(model.parameter_groups(), TrainConfig(lr=0.1))
    for count in (64, 4):  # the first step leaves momentum everywhere
        before = model.embedding.table.weight.detach().clone()
        batch = toy_batch(featurizer, count=count)
        model.loss(batch).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    moved = (model.embedding.table.weight != before).any(1).nonzero()[:, 0].tolist()
    assert set(moved) <= set(batch.x["ids"].flatten().tolist()) | set(batch.x["history"].flatten().tolist())
    assert 0 not in moved


def test_dense_embeddings_are_moved_by_momentum_too():
    """With dense gradients a row goes on moving in steps whose batch lacks it, as in the peers' Adam."""
    model, featurizer = build("deepfm")
    config = TrainConfig(lr=0.1, embeddings="dense", weight_decay=0.1)
    optimizers = build_optimizers(model.parameter_groups(), config)
    with dense_gradients(model, wanted=True):
        for count in (64, 4):
            before = model.embedding.table.weight.detach().clone()
            batch = toy_batch(featurizer, count=count)
            model.loss(batch).backward()
            assert not model.embedding.table.weight.grad.is_sparse
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
    moved = (model.embedding.table.weight != before).any(1).nonzero()[:, 0].tolist()
    assert set(moved) > set(batch.x["ids"].flatten().tolist())
    assert (model.embedding.table.weight[0] == 0).all()  # padding has neither gradient nor decay
    assert model.embedding.table.sparse


def test_the_cyclic_schedule_is_torchs_triangle():
    config = TrainConfig(schedule="cyclic", lr=8e-5, lr_min=1e-6, cycle_epochs=1)
    parameter = torch.nn.Parameter(torch.zeros(1))
    theirs = torch.optim.AdamW([parameter], lr=1e-6)
    cyclic = CyclicLR(theirs, 1e-6, 8e-5, step_size_up=10, cycle_momentum=False)
    ours = torch.optim.AdamW([parameter], lr=8e-5)
    (scheduler,) = build_schedulers([ours], config, steps_per_epoch=20, step=0)
    for _ in range(55):
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-6)
        for optimizer, schedule in ((ours, scheduler), (theirs, cyclic)):
            optimizer.step()
            schedule.step()


def test_linear_falls_to_the_floor_after_warming_up():
    config = TrainConfig(schedule="linear", warmup=0.1, epochs=2)
    factors = [rate_factor(config, 50, 0.25, step) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == pytest.approx(1.0)
    assert factors[100] == pytest.approx(0.25)
    assert factors[10:] == sorted(factors[10:], reverse=True)


def test_groups_may_have_rates_of_their_own():
    model, _ = build("uni_ctr")
    (optimizer,) = build_optimizers(model.parameter_groups(), TrainConfig(lr=1e-3, lr_groups={"lora": 5e-4}))
    assert [group["lr"] for group in optimizer.param_groups] == [5e-4, 1e-3]


def test_a_rate_for_no_group_is_an_error():
    model, _ = build("deepfm")
    with pytest.raises(ConfigError, match="'lora'"):
        build_optimizers(model.parameter_groups(), TrainConfig(lr_groups={"lora": 1e-4}))
