"""States of frozen parts: computed once, kept on disk within a limit, and the same however they come to a batch."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
import torch
from torch import nn

from ctrbench.errors import OutputError, PluginError
from ctrbench.features.featurizer import FeatureInfo
from ctrbench.features.loader import Rows, eval_order
from ctrbench.features.ragged import Ragged
from ctrbench.models.contract import CTRModel
from ctrbench.training import state_store
from ctrbench.training.config import TrainConfig
from ctrbench.training.fit import fit
from ctrbench.training.states import with_fixed_states
from tests.toys import build, toy_rows, view

WIDTH = 4
NAMES = ("books", "games")
GB = 10**9


class Stub(CTRModel):
    """A frozen table of tokens below a head; its states do not depend on what else is in a batch."""

    category = "language_model"

    class Config(CTRModel.Config):
        scale: float = 1.0

    def __init__(self, config=None, domains=NAMES):
        super().__init__(config or self.Config(), FeatureInfo(), domains)
        with torch.random.fork_rng():
            torch.manual_seed(7)
            self.table = nn.Embedding(50, WIDTH).requires_grad_(False)
            self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(WIDTH, 1))
        self.seen: list[int] = []

    def fixed_states(self, batch):
        self.seen += batch.row_id.tolist()
        return {"hidden": self.table(batch.x["input_ids"]) * self.config.scale}

    def forward(self, batch):
        hidden = batch.x["hidden"].float()  # (B, T, d)
        return self.head(hidden.sum(1) / batch.x["attention_mask"].sum(1, keepdim=True))[:, 0]


def some_rows(count, first=0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 12, (count,), generator=generator)
    offsets = torch.cat([torch.tensor([0]), lengths.cumsum(0)])
    tokens = torch.randint(1, 50, (int(offsets[-1]),), generator=generator, dtype=torch.int32)
    return Rows(
        {"input_ids": Ragged(tokens, offsets, mask="attention_mask")},
        torch.randint(2, (count,), generator=generator),
        NAMES,
        torch.randint(2, (count,), generator=generator).float(),
        torch.arange(first, first + count),
    )


TRAIN, VALID = some_rows(40), some_rows(20, first=1000, seed=1)
BYTES = 2 * WIDTH * sum(int(rows.lengths.sum()) for rows in (TRAIN, VALID))
INDICES = torch.tensor([3, 0, 17, 39, 5])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache for each test; yields the folder of states."""
    monkeypatch.setenv("CTRBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "states"


def prepare(model=None, splits=(TRAIN, VALID), limit=GB, **options):
    return with_fixed_states(model or Stub(), splits, **{"batch_size": 8, "limit": limit, **options})


def entries(folder):
    return sorted(path for path in folder.glob("*") if path.suffix != ".lock")


def check(rows, plain, indices, model):
    """A batch of `rows` is that of `plain`, with the model's states in half precision, zero where padded."""
    batch, expected = rows.batch(indices), plain.batch(indices)
    for name, value in expected.x.items():
        assert torch.equal(batch.x[name], value)
    assert torch.equal(batch.label, expected.label)
    assert [name for name, _ in batch.groups] == [name for name, _ in expected.groups]
    states, mask = batch.x["hidden"], expected.x["attention_mask"]
    assert states.dtype == torch.float16
    assert torch.equal(states[mask], model.fixed_states(expected)["hidden"].half()[mask])
    assert not states[~mask].any()


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


def changed_weights():
    model = Stub()
    with torch.no_grad():
        model.table.weight[3, 1] += 1e-3
    return {"model": model}


def changed_tokens():
    ragged = TRAIN.features["input_ids"]
    values = ragged.values.clone()
    values[5] += 1
    changed = Rows({"input_ids": Ragged(values, ragged.offsets, mask="attention_mask")}, TRAIN.domain, *facts())
    return {"splits": (changed, VALID)}


def changed_ends():
    """The same tokens, otherwise divided into rows."""
    ragged = TRAIN.features["input_ids"]
    offsets = ragged.offsets.clone()
    offsets[1:-1] = torch.sort(torch.randint(0, int(offsets[-1]), (39,))).values
    return {
        "splits": (
            Rows({"input_ids": Ragged(ragged.values, offsets, mask="attention_mask")}, TRAIN.domain, *facts()),
            VALID,
        )
    }


def facts():
    return TRAIN.domains, TRAIN.label, TRAIN.row_id


class Buffered(Stub):
    def __init__(self, value):
        super().__init__()
        self.register_buffer("shift", torch.tensor(value), persistent=False)


@pytest.mark.parametrize(
    "other",
    [
        changed_weights,
        changed_tokens,
        changed_ends,
        lambda: {"model": Stub(Stub.Config(scale=2.0))},
        lambda: {"model": Buffered(1.0)},
        lambda: {"precision": "bf16"},
        lambda: {"batch_size": 9},
        lambda: {"splits": (VALID, TRAIN)},
    ],
)
def test_all_that_states_depend_on_makes_another_entry(other, cache):
    prepare()
    prepare()
    assert len(entries(cache)) == 1
    prepare(**other())
    assert len(entries(cache)) == 2


def test_buffers_and_the_models_version_count(cache, monkeypatch):
    prepare(Buffered(1.0))
    prepare(Buffered(2.0))
    assert len(entries(cache)) == 2
    monkeypatch.setattr(Buffered, "version", "2")
    prepare(Buffered(2.0))
    assert len(entries(cache)) == 3


def test_trained_weights_do_not_count(cache):
    prepare()
    model = Stub()
    with torch.no_grad():
        model.head[1].weight += 1
    prepare(model)
    assert len(entries(cache)) == 1


@pytest.mark.parametrize("training", [True, False])
def test_states_are_computed_in_eval_mode_and_the_model_is_left_as_it_was(training):
    class Probe(Stub):
        def fixed_states(self, batch):
            assert not self.training
            assert not torch.is_grad_enabled()
            return super().fixed_states(batch)

    model = Probe().train(training)
    prepare(model)
    assert model.training is training


def test_the_size_is_announced_before_anything_is_computed(caplog):
    said = []

    class Probe(Stub):
        def fixed_states(self, batch):
            if len(batch) > 1:
                said.append(caplog.text)
            return super().fixed_states(batch)

    with caplog.at_level(logging.WARNING):
        prepare(Probe(), limit=5 * GB)
    assert f"hidden states of 60 rows take {BYTES / 1e6:.1f} MB in" in said[0]
    assert "(limit 5.0 GB)" in said[0]
    caplog.clear()
    prepare(Probe())
    assert not caplog.records


def test_rows_beyond_the_limit_are_announced(caplog, cache):
    train, valid = prepare(limit=BYTES // 2)
    kept = int((train.starts >= 0).sum() + (valid.starts >= 0).sum())
    assert f"{kept} rows are kept, the others are computed again in every epoch: cache_gb is the limit" in caplog.text
    assert sum(file.stat().st_size for file in entries(cache)[0].iterdir()) <= BYTES // 2


def test_a_disk_that_is_nearly_full_is_a_limit_too(caplog, monkeypatch):
    usage = state_store.shutil.disk_usage
    monkeypatch.setattr(state_store.shutil, "disk_usage", lambda path: usage(path)._replace(free=BYTES))
    train, valid = prepare()
    assert (train.starts >= 0).all()
    assert (valid.starts < 0).any()
    assert "the disk leaves them" in caplog.text


def test_a_limit_of_nothing_leaves_the_disk_alone(cache, caplog):
    train, _ = prepare(limit=0)
    assert not cache.exists()
    assert "0 rows are kept" in caplog.text
    assert (train.starts < 0).all()


def test_a_greater_limit_completes_what_a_smaller_one_left_out(cache):
    prepare(limit=BYTES // 2)
    train, valid = prepare()
    assert (train.starts >= 0).all()
    assert (valid.starts >= 0).all()
    assert len(entries(cache)) == 1


def test_a_smaller_limit_uses_what_is_there():
    prepare()
    model = Stub()
    train, _ = prepare(model, limit=BYTES // 2)
    assert (train.starts >= 0).all()


def test_the_least_recently_used_entries_make_room(cache):
    first, second, third = (Stub(Stub.Config(scale=scale)) for scale in (1.0, 2.0, 3.0))
    prepare(first)
    (old,) = entries(cache)
    prepare(second)
    (new,) = set(entries(cache)) - {old}
    long_ago = time.time() - 1000
    os.utime(old, (long_ago, long_ago))
    os.utime(new, (long_ago + 1, long_ago + 1))
    prepare(first)  # now used more recently than the second
    prepare(third, limit=2 * BYTES)
    assert old in entries(cache)
    assert new not in entries(cache)
    assert len(entries(cache)) == 2


def test_what_fits_beside_other_entries_removes_none(cache):
    prepare(Stub())
    prepare(Stub(Stub.Config(scale=2.0)), limit=2 * BYTES)
    assert len(entries(cache)) == 2


class Breaking(Stub):
    """Fails in its third batch (the first one only shows the shape)."""

    fault: type[BaseException] = KeyboardInterrupt

    def fixed_states(self, batch):
        if len(self.seen) > 10:
            raise self.fault
        return super().fixed_states(batch)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, ValueError])
def test_what_is_interrupted_leaves_nothing(fault, cache, monkeypatch):
    monkeypatch.setattr(Breaking, "fault", fault)
    model = Breaking().train()
    with pytest.raises(fault):
        prepare(model)
    assert entries(cache) == []
    assert model.training
    model.seen = []
    monkeypatch.setattr(Breaking, "fixed_states", Stub.fixed_states)
    check(prepare(model)[0], TRAIN, INDICES, Stub())


def test_a_killed_run_leaves_no_entry_and_its_remains_are_cleared(cache):
    code = (
        "import os, signal\n"
        "from tests.training import test_states as t\n"
        "class Killed(t.Stub):\n"
        "    def fixed_states(self, batch):\n"
        "        if len(self.seen) > 10:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return super().fixed_states(batch)\n"
        "t.prepare(Killed())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == -9
    (left,) = entries(cache)
    assert left.name.startswith(".")
    prepare()  # another model's entry
    (entry,) = entries(cache)
    assert not entry.name.startswith(".")


def test_a_full_disk_is_one_sentence(monkeypatch, cache):
    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state_store.os, "fsync", full)
    with pytest.raises(OutputError, match=r"No space left on device.*CTRBENCH_CACHE.*cache_gb=0"):
        prepare()
    assert entries(cache) == []


def test_an_unwritable_cache_is_one_sentence_and_needs_none_where_nothing_is_kept(cache):
    cache.parent.write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="CTRBENCH_CACHE"):
        prepare()
    check(prepare(limit=0)[0], TRAIN, INDICES, Stub())


def test_a_damaged_entry_is_made_again(cache):
    prepare()
    (file,) = entries(cache)[0].iterdir()
    os.truncate(file, file.stat().st_size // 2)
    check(prepare()[0], TRAIN, torch.arange(len(TRAIN)), Stub())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="maps of memory are read from /proc")
def test_states_are_mapped_into_memory_and_not_read(cache):
    train, valid = prepare()
    (file,) = entries(cache)[0].iterdir()
    assert str(file) in Path("/proc/self/maps").read_text()
    assert train.values["hidden"].data_ptr() == valid.values["hidden"].data_ptr()


def test_values_beyond_half_precision_become_its_largest():
    train, _ = prepare(Stub(Stub.Config(scale=1e6)))
    states = train.batch(INDICES).x["hidden"]
    assert torch.isfinite(states).all()
    assert states.abs().max() == 65504
    assert torch.equal(states, prepare(Stub(Stub.Config(scale=1e6)), limit=0)[0].batch(INDICES).x["hidden"])


def test_a_model_without_fixed_states_keeps_its_rows_and_touches_nothing(cache):
    model, featurizer = build("deepfm")
    splits = [view(featurizer, toy_rows(20)), view(featurizer, toy_rows(10, 100))]
    assert all(a is b for a, b in zip(prepare(model, splits), splits, strict=True))
    assert not cache.exists()


def test_states_of_a_wrong_shape_are_one_sentence():
    class Wrong(Stub):
        def fixed_states(self, batch):
            return {"hidden": torch.zeros(len(batch), WIDTH)}

    with pytest.raises(PluginError, match=r"Wrong gave 'hidden' of shape \(1, 4\)"):
        prepare(Wrong())


def test_several_tensors_per_token_and_none_of_width():
    class Two(Stub):
        def fixed_states(self, batch):
            hidden = self.table(batch.x["input_ids"])
            return {"pair/of": torch.stack([hidden, -hidden], 2), "sum": hidden.sum(-1)}

    x = prepare(Two())[0].batch(INDICES).x
    mask = x["attention_mask"]
    assert x["pair/of"].shape == (*mask.shape, 2, WIDTH)
    assert torch.equal(x["pair/of"][:, :, 0], -x["pair/of"][:, :, 1])
    plain = Stub().fixed_states(TRAIN.batch(INDICES))["hidden"].sum(-1).half()
    assert torch.equal(x["sum"], plain * mask)


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


def test_of_two_that_want_the_same_entry_one_computes_it():
    begun, go = threading.Event(), threading.Event()

    class Slow(Stub):
        def fixed_states(self, batch):
            if self.seen:  # the first batch only shows the shape
                begun.set()
                assert go.wait(30)
            return super().fixed_states(batch)

    first, second = Slow(), Slow()
    with ThreadPoolExecutor(2) as pool:
        ones = pool.submit(prepare, first)
        assert begun.wait(30)
        others = pool.submit(prepare, second)
        with pytest.raises(TimeoutError):
            others.result(timeout=0.3)
        go.set()
        assert torch.equal(ones.result()[0].values["hidden"], others.result()[0].values["hidden"])
    assert len(second.seen) == 1
