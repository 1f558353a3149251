import io
import re

import pytest

from ctrbench.bench.run import Outlook, RunEvent
from ctrbench.cli.live import Lines, Panel, watching
from ctrbench.cli.telling import State, clock, describe, eta
from ctrbench.training.watch import Progress
from tests.fakes import failed_record, make_plan, make_record, register_models

HALF = Progress("train", done=50, total=100, epoch=2, epochs=3, loss=0.5, auc=0.7, rows_per_s=10.0)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def events(monkeypatch):
    register_models(monkeypatch)
    runs = make_plan().runs
    done, failed = (
        make_record(runs[1], {("musical_instruments", "own"): 0.7}),
        failed_record(runs[2], "no\nluck"),
    )
    return [
        RunEvent(0, 5, runs[0], "cached", make_record(runs[0], {})),
        RunEvent(1, 5, runs[1], "started"),
        RunEvent(1, 5, runs[1], "done", done),
        RunEvent(2, 5, runs[2], "started"),
        RunEvent(2, 5, runs[2], "failed", failed),
        RunEvent(3, 5, runs[3], "started"),
    ]


def test_progress_tells_epoch_rows_loss_auc_speed_and_time_left():
    assert describe(HALF) == "training · epoch 2/3 · 50/100 rows · loss 0.5000 · AUC 0.7000 · 10 rows/s · ETA 0:15"


def test_what_is_unknown_is_not_told():
    assert describe(Progress("features", done=0, total=0)) == "preparing features"


def test_time_left_counts_the_epochs_to_come():
    assert eta(HALF) == (50 + 100) / 10


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (65, "1:05"), (7200, "2:00:00")])
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_runs_are_counted(events):
    state = State()
    for event in events:
        state.on_run(event)
    assert state.counts() == "2 done (1 before) · 1 failed · 1 running · 1 left"


def test_without_a_terminal_there_is_a_line_when_a_run_starts_and_ends(events):
    stream = io.StringIO()
    with watching(quiet=False, stream=stream) as view:
        for event in events:
            view.on_run(event)
    assert stream.getvalue().splitlines() == [
        "[2/5] single on musical_instruments, seed 0: starts",
        "[2/5] single on musical_instruments, seed 0: done in 0:00; AUC musical_instruments 0.7000",
        "[3/5] single on gift_cards, seed 0: starts",
        "[3/5] single on gift_cards, seed 0: failed: no luck",
        "[4/5] multi on fashion+musical_instruments+gift_cards, seed 0: starts",
    ]


def test_the_time_for_all_runs_is_that_of_others_of_their_models(events):
    runs = [event.planned for event in events if event.state != "started"] + [events[-1].planned]
    records = [events[0].record, None, None, None]
    stream = io.StringIO()
    view = Lines(stream)
    view.on_plan(Outlook({"t": 4}, runs, records, [False, True, True, True]))
    for event in events[:3]:
        view.on_run(event)
    assert view.state.eta() == "at least 0:10"  # `single` took ten seconds, and nobody knows of `multi`
    for event in events[3:]:
        view.on_run(event)
    assert view.state.eta() == ""
    assert stream.getvalue().splitlines()[0] == "4 runs: 1 stored, 3 to do"
    assert stream.getvalue().splitlines()[2].endswith("; 3 left, all done in at least 0:10")


def test_without_a_terminal_progress_is_told_only_now_and_then(events):
    stream = io.StringIO()
    view = Lines(stream, every=1000.0)
    view.on_run(events[1])
    for _ in range(100):
        view.watch(HALF)
    assert stream.getvalue().count("\n") == 1
    view.every = 0.0
    view.watch(HALF)
    assert "epoch 2/3" in stream.getvalue()


def test_quiet_says_nothing(events):
    stream = Terminal()
    with watching(quiet=True, stream=stream) as view:
        for event in events:
            view.on_run(event)
        view.watch(HALF)
    assert stream.getvalue() == ""


def test_in_a_terminal_the_panel_shows_counts_the_run_and_its_progress(events):
    stream = Terminal()
    with Panel(stream) as panel:
        for event in events:
            panel.on_run(event)
        panel.watch(HALF)
        panel.live.refresh()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())
    assert "failed: no luck" in text
    assert "2 done (1 before) · 1 failed · 1 running · 1 left" in text
    assert "multi on fashion" in text
    assert "epoch 2/3" in text
