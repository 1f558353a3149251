"""Trackers are told what the records say, and never stand in a training's way."""

import importlib.util
import logging
import socket
from types import SimpleNamespace

import pytest

from ctrbench.bench import trackers
from ctrbench.bench.records import Cost
from ctrbench.bench.run import RunEvent
from ctrbench.bench.trackers import check, curve, outcome, settings, tracking
from ctrbench.errors import ConfigError
from ctrbench.training.course import Epoch
from tests.fakes import failed_record, make_plan, make_record, register_models

EPOCHS = [
    Epoch(epoch=0, loss=0.7, valid_auc={"fashion": 0.6, "gift_cards": None}, seconds=1.0),
    Epoch(epoch=1, loss=0.5, valid_auc={"fashion": 0.8, "gift_cards": 0.6}, seconds=2.0),
]


@pytest.fixture
def planned(monkeypatch):
    register_models(monkeypatch)
    return make_plan().runs[3]


@pytest.fixture
def record(planned):
    cost = Cost(parameters=10, train_seconds=3.0, score_rows_per_s=500.0, energy_wh=None)
    return make_record(planned, {("fashion", "own"): 0.75}, history=EPOCHS, cost=cost)


def event(record, state="done", planned=None):
    return RunEvent(0, 1, planned, state, record)


def test_settings_are_all_that_decides_a_run(record):
    found = settings(record)
    assert found["model"] == "multi"
    assert found["config.dim"] == 8
    assert found["train.lr"] == record.spec.train["lr"]
    assert found["domains"] == "fashion, musical_instruments, gift_cards"
    assert found["train.max_grad_norm"] == "null"


def test_a_curve_leaves_out_what_an_epoch_does_not_know(record):
    (first, one), (second, two) = curve(record)
    assert (first, second) == (1, 2)
    assert one == {"train/loss": 0.7, "train/seconds": 1.0, "valid/auc": 0.6, "valid/auc/fashion": 0.6}
    assert two["valid/auc"] == pytest.approx(0.7)
    assert two["valid/auc/gift_cards"] == 0.6


def test_the_outcome_is_metrics_and_cost(record):
    found = outcome(record)
    assert found["test/fashion/own/auc"] == 0.75
    assert found["cost/train_seconds"] == 3.0
    assert found["cost/score_us_per_row"] == 2000.0
    assert "cost/energy_wh" not in found


def test_an_unknown_tracker_is_a_sentence():
    with pytest.raises(ConfigError, match=r"no such tracker.*mlflow"):
        check(["mlfow"])


def test_a_tracker_that_is_not_installed_is_a_sentence_with_what_to_install(monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'ctrbench\[tensorboard\]'"):
        check(["tensorboard"])


class Broken:
    """A tracker that fails."""

    def __init__(self, folder):
        self.told = 0

    def has(self, record):
        return False

    def add(self, record):
        self.told += 1
        raise RuntimeError("no space left")

    def close(self):
        raise RuntimeError("closed already")


def test_a_tracker_that_fails_is_a_warning_and_is_told_no_more(monkeypatch, record, tmp_path, caplog):
    monkeypatch.setitem(trackers.KINDS, "broken", ("broken:Broken", ()))
    monkeypatch.setattr(trackers, "import_module", lambda name: SimpleNamespace(Broken=Broken))
    seen = []
    with caplog.at_level(logging.WARNING), tracking(["broken"], tmp_path, seen.append) as tell:
        tell(event(record))
        tell(event(record))
    assert len(seen) == 2
    assert [message for message in caplog.messages if "no space left" in message] == caplog.messages
    assert len(caplog.messages) == 1


def test_a_tracker_that_cannot_begin_is_a_warning(monkeypatch, record, tmp_path, caplog):
    (tmp_path / "trackers").write_text("a file")
    monkeypatch.setitem(trackers.KINDS, "broken", ("ctrbench.bench.trackers:nothing", ()))
    with tracking(["broken"], tmp_path, lambda one: None) as tell:
        tell(event(record))
    assert "broken failed" in caplog.text


def installed(*packages):
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture
def offline(monkeypatch):
    """No address can be reached, nor looked up."""

    def refused(*args, **options):
        raise AssertionError("a tracker called out")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def read_tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return found


@installed("tensorboard")
def test_tensorboard_shows_curves_metrics_cost_and_settings(record, tmp_path, offline):
    with tracking(["tensorboard"], tmp_path, lambda one: None) as tell:
        tell(event(record))
    folder = tmp_path / "trackers" / "tensorboard" / "fake" / "multi" / record.id
    found = read_tensorboard(folder)
    assert [(one.step, round(one.value, 6)) for one in found.Scalars("train/loss")] == [(1, 0.7), (2, 0.5)]
    assert found.Scalars("test/fashion/own/auc")[0].value == pytest.approx(0.75)
    assert found.Scalars("cost/score_us_per_row")[0].value == 2000.0
    assert "_hparams_/session_start_info" in found.summary_metadata
    assert b"config.dim = 8" in found.Tensors("settings/text_summary")[0].tensor_proto.string_val[0]


@installed("tensorboard")
def test_a_run_is_in_tensorboard_once_and_its_last_state_counts(record, planned, tmp_path):
    folder = tmp_path / "trackers" / "tensorboard"
    with tracking(["tensorboard"], tmp_path, lambda one: None) as tell:
        tell(event(failed_record(planned)))
        tell(event(record))
        written = {file: file.stat().st_mtime_ns for file in folder.rglob("events*")}
        tell(event(record, "cached"))
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("events*")} == written
    assert read_tensorboard(folder / "fake" / "multi" / record.id).Scalars("train/loss")
    assert [path for path in folder.iterdir() if path.name.startswith(".new")] == []


@installed("tensorboard")
def test_a_run_that_was_done_before_is_told_to_a_new_tracker(record, tmp_path):
    with tracking(["tensorboard"], tmp_path, lambda one: None) as tell:
        tell(event(None, "started"))
        tell(event(record, "cached"))
    assert len(list((tmp_path / "trackers").rglob("events*"))) == 2  # curves, and settings beside numbers


def client(tmp_path):
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'trackers' / 'mlflow' / 'mlflow.db'}")


def runs(tmp_path):
    found = client(tmp_path)
    return found.search_runs([found.get_experiment_by_name("fake").experiment_id])


@pytest.mark.slow
@installed("mlflow", "sqlalchemy", "alembic")
def test_mlflow_holds_curves_metrics_cost_and_settings_in_a_local_file(record, planned, tmp_path, offline):
    with tracking(["mlflow"], tmp_path, lambda one: None) as tell:
        tell(event(record))
    (run,) = runs(tmp_path)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "multi on fashion+musical_instruments+gift_cards, seed 0"
    assert run.data.params["config.dim"] == "8"
    assert run.data.metrics["test/fashion/own/auc"] == 0.75
    history = client(tmp_path).get_metric_history(run.info.run_id, "train/loss")
    assert [(one.step, one.value) for one in history] == [(1, 0.7), (2, 0.5)]
    with tracking(["mlflow"], tmp_path, lambda one: None) as tell:
        tell(event(record, "cached"))
        assert [one.info.run_id for one in runs(tmp_path)] == [run.info.run_id]
        tell(event(failed_record(planned)))
    (run,) = runs(tmp_path)
    assert run.info.status == "FAILED"
    assert run.data.tags["ctrbench.error"] == "it broke"
