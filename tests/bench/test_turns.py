"""Commands at one table: each run is done once, whoever comes first; a dead process holds nothing up."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from filelock import FileLock

from ctrbench.bench import records, turns
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.run import run_table
from ctrbench.training.processes import Team
from tests.fakes import FakeData, failed_record, make_record


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(turns, "PAUSE", 0.01)


def folder_of(results, run) -> RunFolder:
    return RunFolder.of(results, "fake", run.spec)


@contextmanager
def another_at(folder):
    """Another holder of a run's lock, as another process would be; call what is given to let it go."""
    folder.path.mkdir(parents=True, exist_ok=True)
    there, leave, gone = threading.Event(), threading.Event(), threading.Event()

    def hold():
        with FileLock(folder.lock):
            there.set()
            leave.wait(60)
        gone.set()

    def let_go():
        leave.set()
        gone.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    there.wait(60)
    try:
        yield let_go
    finally:
        leave.set()
        holder.join()


def test_runs_that_another_command_is_at_come_last_and_its_record_is_taken(plan, executed, tmp_path):
    theirs = make_record(plan.runs[0], {("fashion", "own"): 0.7})
    events = []
    with another_at(folder_of(tmp_path, plan.runs[0])) as let_go:

        def on_run(event):
            events.append((event.index, event.state))
            if len(executed) == 4 and event.state == "done":
                records.save(tmp_path, theirs)
                let_go()

        found = run_table(plan, FakeData(), tmp_path, on_run=on_run)
    assert found[0] == theirs
    assert executed == [run.spec.id for run in plan.runs[1:]]
    assert events[0] == (0, "held")
    assert events[-1] == (0, "taken")
    assert events.count((0, "held")) == 1


def test_what_failed_there_in_the_meantime_is_not_tried_again_here(plan, executed, tmp_path):
    with another_at(folder_of(tmp_path, plan.runs[0])) as let_go:

        def on_run(event):
            if event.state == "held":
                records.save(tmp_path, failed_record(plan.runs[0]))
                let_go()

        found = run_table(plan, FakeData(), tmp_path, on_run=on_run)
    assert found[0].status == "failed"
    assert plan.runs[0].spec.id not in executed


def test_a_run_that_another_command_gave_up_is_done_here(plan, executed, tmp_path):
    with another_at(folder_of(tmp_path, plan.runs[0])) as let_go:
        found = run_table(plan, FakeData(), tmp_path, on_run=lambda e: e.state == "held" and let_go())
    assert [record.status for record in found] == ["done"] * 5
    assert executed[-1] == plan.runs[0].spec.id


def test_what_was_done_while_others_were_run_is_not_done_again(plan, executed, tmp_path):
    """No lock is held any more when its turn comes: the record alone tells."""
    states = []

    def on_run(event):
        if event.state == "started" and event.index == 0:
            records.save(tmp_path, make_record(plan.runs[4], {}))
        states.append((event.index, event.state))

    run_table(plan, FakeData(), tmp_path, on_run=on_run)
    assert states[-1] == (4, "taken")
    assert plan.runs[4].spec.id not in executed


def test_a_run_waits_for_the_one_that_it_builds_on(tmp_path):
    folders = {number: RunFolder(tmp_path / name) for number, name in enumerate("abc")}
    order = []
    with another_at(folders[0]) as let_go:

        def work(number):
            order.append(number)
            if number == 2:
                let_go()

        turns.each(folders, {1: "a"}, Team(), work, lambda number: None)
    assert order == [2, 0, 1]


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    folder = RunFolder(tmp_path)
    program = f"""
from filelock import FileLock
lock = FileLock({str(folder.lock)!r})
lock.acquire()
print("there", flush=True)
import time; time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "there\n"
    assert turns.held(folder)
    with turns.turn(folder, Team()) as mine:
        assert not mine
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not turns.held(folder)
    with turns.turn(folder, Team()) as mine:
        assert mine


def test_a_turn_within_a_turn_is_no_deadlock(tmp_path):
    folder = RunFolder(tmp_path)
    with turns.turn(folder, Team()), turns.awaited(folder, Team()):
        pass
    assert not turns.held(folder)


def test_what_a_killed_process_left_is_cleared_away_where_nobody_is_at_it(tmp_path):
    folder = RunFolder(tmp_path)
    left = [tmp_path / ".record.json.abcd_123.json", folder.checkpoint, folder.begun_on, tmp_path / ".seen-abcd"]
    kept = [folder.record, folder.model, tmp_path / ".seen-0123"]
    for path in (*left, *kept):
        path.touch()
    os.utime(left[-1], (0, 0))  # nobody waits for it any more
    with another_at(folder):
        turns.tidy(folder)
        assert all(path.exists() for path in left)
    turns.tidy(folder)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)


def test_a_folder_that_is_removed_at_this_moment_is_waited_for(tmp_path, monkeypatch):
    """Between a look at the folder and its lock, `results rm` takes both away: the lock then guards nothing."""
    folder = RunFolder(tmp_path / "run")
    lock = turns.lock_of(folder)
    acquire, removals = lock.acquire, [1]

    def slow(*args, **options):
        found = acquire(*args, **options)
        if removals and removals.pop():
            folder.path.rename(tmp_path / "gone")
        return found

    monkeypatch.setattr(lock, "acquire", slow)
    with turns.turn(folder, Team()) as mine:
        assert not mine
    assert not lock.is_locked
    with turns.turn(folder, Team()) as mine:
        assert mine
        assert folder.lock.exists()
