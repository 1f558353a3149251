"""States of frozen parts: computed once, and the same however they come to a batch."""

import os
import shutil
import signal

import polars as pl
import pytest
import torch

from ctrbench.features.order import eval_order
from ctrbench.training.config import TrainConfig
from ctrbench.training.fit import fit
from tests.toys import build, toy_rows, view
from tests.training.state_cases import (
    BYTES,
    GB,
    INDICES,
    TRAIN,
    VALID,
    Stub,
    check,
    entries,
    prepare,
)

pytestmark = pytest.mark.usefixtures("cache")


@pytest.mark.parametrize("limit", [0, BYTES // 2, GB])
def test_batches_hold_the_states_of_their_rows_whatever_is_kept(limit):
    train, valid = prepare(limit=limit)
    for rows, plain in ((train, TRAIN), (valid, VALID)):
        for indices in eval_order(plain, 7):
            check(rows, plain, indices, Stub())
    check(train, TRAIN, INDICES, Stub())
    assert torch.equal(train.lengths, TRAIN.lengths)


def test_a_batch_may_mix_rows_that_are_kept_with_others():
    train, _ = prepare(limit=BYTES // 2)
    kept = train.starts >= 0
    assert 0 < kept.sum() < len(TRAIN)
    check(train, TRAIN, torch.cat([(~kept).nonzero()[:2, 0], kept.nonzero()[:3, 0]]), Stub())


def test_each_row_is_computed_once_and_not_at_all_in_a_later_run():
    model = Stub()
    train, valid = prepare(model)
    assert sorted(model.seen) == sorted([*TRAIN.row_id.tolist(), *VALID.row_id.tolist(), TRAIN.row_id[0]])
    model.seen.clear()
    for _ in range(3):
        train.batch(INDICES), valid.batch(INDICES % 20)
    assert model.seen == []
    prepare(model)
    assert model.seen == [int(TRAIN.row_id[0])]  # one row shows what shape the states have


def test_beyond_the_limit_only_rows_that_are_not_kept_are_computed_again():
    model = Stub()
    train, _ = prepare(model, limit=BYTES // 2)
    model.seen.clear()
    train.batch(torch.arange(len(TRAIN)))
    assert model.seen == TRAIN.row_id[train.starts < 0].tolist()


def test_progress_is_told():
    seen = []
    prepare(watch=seen.append)
    assert {progress.stage for progress in seen} == {"states"}
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    assert (seen[-1].done, seen[-1].total) == (60, 60)


CONFIG = TrainConfig(epochs=3, batch_size=8, score_batch_size=16, lr=1e-2, patience=5)


def trained(model, splits, config=CONFIG):
    """The losses, and the weights, of a training."""
    result = fit(model, *splits, config, seed=3)
    return [epoch.loss for epoch in result.epochs], model.state_dict()


@pytest.mark.parametrize("limit", [0.0, BYTES / 2 / GB, 20.0])
def test_training_is_bitwise_the_same_whatever_is_kept(limit):
    losses, weights = trained(Stub(), (TRAIN, VALID))
    again, others = trained(Stub(), (TRAIN, VALID), CONFIG.model_copy(update={"cache_gb": limit}))
    assert again == losses
    assert all(torch.equal(value, others[name]) for name, value in weights.items())
    assert len(set(losses)) == len(losses)


def test_training_and_validation_ask_for_each_row_once():
    model = Stub()
    trained(model, (TRAIN, VALID))
    assert sorted(model.seen[1:]) == [*TRAIN.row_id.tolist(), *VALID.row_id.tolist()]


def with_new_domain():
    """Uni-CTR of two domains that learns a third one, and the rows of that."""
    model, featurizer = build("uni_ctr", ("books", "games"), max_length=24)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model.add_domain("tools")
    rows = (
        toy_rows(90).filter(pl.col("domain") == "tools"),
        toy_rows(60, 1000, seed=1).filter(pl.col("domain") == "tools"),
    )
    return model, [view(featurizer, split) for split in rows]


def test_the_backbone_of_uni_ctr_sees_each_row_once():
    model, splits = with_new_domain()
    seen = []
    model.backbone.register_forward_hook(
        lambda module, args, kwargs, out: seen.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    trained(model, splits)
    assert sum(seen[1:]) == sum(map(len, splits))


def test_uni_ctr_trains_alike_with_and_without_kept_states():
    model, splits = with_new_domain()
    again, others = trained(model, splits, CONFIG.model_copy(update={"cache_gb": 0.0}))
    losses, weights = trained(with_new_domain()[0], splits)
    torch.testing.assert_close(again, losses, rtol=1e-3, atol=0)
    changed = [
        name for name, value in with_new_domain()[0].state_dict().items() if not torch.equal(value, weights[name])
    ]
    assert changed
    assert all("tools" in name for name in changed)
    torch.testing.assert_close({n: others[n] for n in changed}, {n: weights[n] for n in changed}, rtol=1e-2, atol=1e-3)


def test_logits_of_uni_ctr_from_kept_states_equal_direct_ones():
    model, splits = with_new_domain()
    rows = prepare(model, splits)[0]
    model.eval()
    indices = torch.arange(len(rows))
    batch = rows.batch(indices)
    assert "hidden" in batch.x
    with torch.no_grad():
        torch.testing.assert_close(model(batch), model(splits[0].batch(indices)), rtol=0, atol=2e-3)


def test_uni_ctr_that_trains_its_backbone_keeps_nothing(cache):
    model, featurizer = build("uni_ctr")
    splits = [view(featurizer, toy_rows(20)), view(featurizer, toy_rows(10, 100))]
    assert prepare(model, splits) == splits
    assert not cache.exists()


def interrupt(stage, count):
    """A watcher that presses Ctrl-C after so many moments of a stage."""
    seen = []

    def watch(progress):
        seen.extend([progress] * (progress.stage == stage))
        if len(seen) == count:
            os.kill(os.getpid(), signal.SIGINT)

    return watch


@pytest.mark.parametrize(("stage", "kept"), [("states", 0), ("train", 1), ("score", 1)])
def test_interrupted_and_resumed_is_bitwise_uninterrupted(stage, kept, tmp_path, cache):
    losses, weights = trained(Stub(), (TRAIN, VALID))
    shutil.rmtree(cache)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(KeyboardInterrupt):
        fit(Stub(), TRAIN, VALID, CONFIG, seed=3, checkpoint=path, watch=interrupt(stage, 3))
    assert len(entries(cache)) == kept
    model = Stub()
    result = fit(model, TRAIN, VALID, CONFIG, seed=3, checkpoint=path)
    assert [epoch.loss for epoch in result.epochs] == losses
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
