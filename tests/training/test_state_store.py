"""The folder of states: its limit, what makes room in it, and what failures leave there."""

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from ctrbench.errors import OutputError
from ctrbench.training import state_store
from ctrbench.training.states import _size
from tests.training.state_cases import (
    BYTES,
    GB,
    INDICES,
    TRAIN,
    Stub,
    check,
    entries,
    prepare,
)

pytestmark = pytest.mark.usefixtures("cache")


def test_the_size_is_announced_before_anything_is_computed(caplog):
    said = []

    class Probe(Stub):
        def fixed_states(self, batch):
            if len(batch) > 1:
                said.append(caplog.text)
            return super().fixed_states(batch)

    with caplog.at_level(logging.WARNING):
        prepare(Probe(), limit=5 * GB)
    assert f"hidden states of 60 rows take {BYTES:,} bytes in" in said[0]
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
    assert "leaves them" in caplog.text


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


def test_a_smaller_limit_leaves_a_larger_part_as_it_is(caplog):
    larger, _ = prepare(limit=BYTES // 2)
    caplog.clear()
    model = Stub()
    train, valid = prepare(model, limit=BYTES // 4)
    assert torch.equal(train.starts, larger.starts)
    assert len(model.seen) == 1  # the row that shows the shape
    kept = int((train.starts >= 0).sum() + (valid.starts >= 0).sum())
    assert f"; {kept} rows are kept" in caplog.text


def test_sizes_are_told_in_fitting_units():
    sizes = (0, 4096, 20_000_000, 3_400_000_000)
    assert [_size(size) for size in sizes] == ["0 bytes", "4,096 bytes", "20.0 MB", "3.4 GB"]


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


def taken(folder):
    return sum(file.stat().st_size for entry in entries(folder) for file in entry.iterdir())


def test_other_entries_make_room_on_a_disk_that_is_nearly_full(cache, monkeypatch):
    prepare()
    (old,) = entries(cache)
    usage = shutil.disk_usage(cache)
    monkeypatch.setattr(
        state_store.shutil, "disk_usage", lambda path: usage._replace(free=BYTES + BYTES // 2 - taken(cache))
    )
    train, valid = prepare(Stub(Stub.Config(scale=2.0)))
    assert (train.starts >= 0).all()
    assert (valid.starts >= 0).all()
    assert len(entries(cache)) == 1
    assert old not in entries(cache)


class Paused(Stub):
    """Waits in its second batch (the first one only shows the shape)."""

    def __init__(self, config=None):
        super().__init__(config)
        self.begun, self.go = threading.Event(), threading.Event()

    def fixed_states(self, batch):
        if self.seen:
            self.begun.set()
            assert self.go.wait(30)
        return super().fixed_states(batch)


@contextmanager
def another_writes(scale, limit=GB):
    """Within, another command is writing its states, all of them."""
    model = Paused(Stub.Config(scale=scale))
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(prepare, model, limit=limit)
        try:
            assert model.begun.wait(30)
            yield
        finally:
            model.go.set()
        run.result()


def test_what_others_are_writing_counts_towards_the_limit(cache, caplog):
    limit = BYTES + BYTES // 2
    with another_writes(2.0, limit):
        train, valid = prepare(limit=limit)
        prepare(Stub(Stub.Config(scale=3.0)), limit=BYTES // 2)
    assert (train.starts >= 0).any()
    assert (valid.starts < 0).any()
    assert f"what other commands are writing, leaves them {BYTES // 2:,} bytes" in caplog.text
    assert "what other commands are writing, leaves them 0 bytes" in caplog.text
    assert len(entries(cache)) == 2
    assert taken(cache) <= limit


def test_beside_what_others_are_writing_older_entries_make_room(cache):
    prepare()
    (old,) = entries(cache)
    with another_writes(2.0, 2 * BYTES):
        train, _ = prepare(Stub(Stub.Config(scale=3.0)), limit=2 * BYTES)
    assert (train.starts >= 0).all()
    assert old not in entries(cache)
    assert taken(cache) == 2 * BYTES


@pytest.mark.parametrize("older", [False, True])
def test_what_others_are_writing_is_no_free_disk(older, cache, monkeypatch):
    if older:
        prepare()
    with another_writes(2.0):
        usage = shutil.disk_usage(cache)._replace(free=BYTES + BYTES // 2)
        monkeypatch.setattr(state_store.shutil, "disk_usage", lambda path: usage)
        _, valid = prepare(Stub(Stub.Config(scale=3.0)))
    assert bool((valid.starts >= 0).all()) is older  # which made room
    assert len(entries(cache)) == 2


def test_room_is_seen_and_taken_by_one_command_at_a_time(cache, monkeypatch):
    make_room, second, seen = state_store.StateStore._make_room, threading.Event(), []

    def slow(self, size, limit):
        seen.append(size)
        second.wait(0.3 if len(seen) == 1 else 0)  # the other command could see the same room now
        make_room(self, size, limit)
        second.set()

    monkeypatch.setattr(state_store.StateStore, "_make_room", slow)
    models = [Paused(Stub.Config(scale=scale)) for scale in (1.0, 2.0)]
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(prepare, model, limit=BYTES) for model in models]
        wait(runs, timeout=3, return_when=FIRST_COMPLETED)  # the one that finds no room
        for model in models:
            model.go.set()
        for run in runs:
            run.result()
    assert taken(cache) <= BYTES


def test_entries_that_vanish_meanwhile_are_none(cache, monkeypatch):
    prepare()
    (old,) = entries(cache)
    listed = Path.iterdir

    def vanishing(path):
        if path == old:
            shutil.rmtree(path)
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", vanishing)
    check(prepare(Stub(Stub.Config(scale=2.0)))[0], TRAIN, INDICES, Stub(Stub.Config(scale=2.0)))
    assert old not in entries(cache)


@pytest.mark.parametrize("shorter", [False, True])
def test_an_entry_that_vanishes_before_it_is_read_is_computed_again(shorter, cache, monkeypatch, caplog):
    prepare()
    mapped = state_store._mapped

    def vanishing(file, shape):
        os.truncate(file, 8) if shorter else shutil.rmtree(file.parent)
        return mapped(file, shape)

    monkeypatch.setattr(state_store, "_mapped", vanishing)
    check(prepare()[0], TRAIN, INDICES, Stub())
    assert "its rows are computed in every epoch" in caplog.text


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
        "from tests.training import state_cases as t\n"
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


def test_of_two_that_want_the_same_entry_one_computes_it():
    first, second = Paused(), Paused()
    second.go.set()
    with ThreadPoolExecutor(2) as pool:
        ones = pool.submit(prepare, first)
        assert first.begun.wait(30)
        others = pool.submit(prepare, second)
        with pytest.raises(TimeoutError):
            others.result(timeout=0.3)
        first.go.set()
        assert torch.equal(ones.result()[0].values["hidden"], others.result()[0].values["hidden"])
    assert len(second.seen) == 1
