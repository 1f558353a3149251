import json
import os

import pytest

from ctrbench.bench import records
from ctrbench.bench.folders import RunFolder, slug
from ctrbench.bench.records import Metrics, Target
from ctrbench.errors import OutputError
from tests.fakes import failed_record, make_plan, make_record, register_models


@pytest.fixture
def run(monkeypatch):
    register_models(monkeypatch)
    return make_plan().runs[0]


def test_a_record_reads_back_as_it_was_written(run, tmp_path):
    record = make_record(run, {("fashion", "own"): 0.7})
    folder = records.save(tmp_path, record)
    assert folder.record == tmp_path / "fake" / "single" / run.spec.id / "record.json"
    assert records.load(tmp_path, "fake", run.spec) == record
    assert json.loads(folder.record.read_text())["schema"] == 1


def test_a_run_that_never_ended_has_no_record(run, tmp_path):
    assert records.load(tmp_path, "fake", run.spec) is None


def test_a_killed_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    file = tmp_path / "deep" / "record.json"
    with records.atomic(file) as temporary:
        temporary.write_text("old")

    def killed():
        with records.atomic(file) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert file.read_text() == "old"
    assert list(file.parent.iterdir()) == [file]


def test_a_written_file_has_the_usual_rights(tmp_path):
    file, usual = tmp_path / "record.json", tmp_path / "usual"
    usual.touch()
    with records.atomic(file) as temporary:
        temporary.write_text("x")
    assert file.stat().st_mode == usual.stat().st_mode


def test_an_unwritable_place_is_one_sentence(run, tmp_path):
    (tmp_path / "fake").write_text("a file where a folder should be")
    with pytest.raises(OutputError, match=r"cannot write .*record\.json .*--results"):
        records.save(tmp_path, make_record(run, {}))


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(OutputError, match="No space left on device"),
        records.atomic(tmp_path / "x") as temporary,
    ):
        temporary.write_text("x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": 0}', r"has schema 0, and this ctrbench reads 1; `ctrbench run` sets it aside"),
        ("{}", "has schema None"),
        ('{"schema": 2}', r"newer than this ctrbench writes \(1\); update ctrbench"),
        ('{"schema": 1, "id": "x"}', "is not a whole record"),
        ('{"schema"', "cannot be read"),
    ],
)
def test_a_record_that_cannot_be_used_is_one_sentence(run, tmp_path, text, message):
    file = RunFolder.of(tmp_path, "fake", run.spec).record
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(OutputError, match=message) as caught:
        records.load(tmp_path, "fake", run.spec)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_is_complete_when_it_is_done_and_every_target_is_scored(run):
    record = make_record(run, {})
    assert records.complete(record, run.targets)
    assert not records.complete(record, [*run.targets, Target("test", "all_beauty", "fashion")])
    assert not records.complete(failed_record(run), [])
    assert not records.complete(None, [])


def test_an_auc_of_one_class_is_unknown_and_survives_json():
    metrics = Metrics(auc=float("nan"), logloss=0.1, rows=3, positives=0)
    assert metrics.auc is None
    assert Metrics.model_validate_json(metrics.model_dump_json()) == metrics


@pytest.mark.parametrize(("name", "folder"), [("demo", "demo"), ("../up", "up"), ("a b/c", "a-b-c"), ("..", "unnamed")])
def test_a_name_is_always_a_single_folder(name, folder):
    assert slug(name) == folder
