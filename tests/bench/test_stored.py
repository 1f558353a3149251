"""What is wrong with a stored run is a fault of that run alone, and never overwritten without a word."""

import json
import logging
import shutil

import polars as pl
import pytest

from ctrbench.bench import execute as module, records, scoring, stored
from ctrbench.bench.execute import execute
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.records import DatasetFacts, Unusable
from ctrbench.bench.run import run_table, stored as stored_records
from tests.bench.test_execute import OWN, planned
from tests.fakes import FakeData, make_record

WRONG = {
    "cut": (lambda text: text[: len(text) // 2], "cannot be read"),
    "empty": (lambda text: "", "cannot be read"),
    "no JSON": (lambda text: "\0" * 50, "cannot be read"),
    "deep": (lambda text: "[" * 100_000, "cannot be read"),
    "older": (lambda text: json.dumps({**json.loads(text), "schema": 0}), "has schema 0, and this ctrbench reads 1"),
    "a list": (lambda text: "[]", "has schema None"),
    "key": (lambda text: json.dumps({**json.loads(text), "more": 1}), "is not a whole record (see 'more')"),
    "edited": (lambda text: text.replace('"seed": 0', '"seed": 1'), "its settings are those of run"),
    "other id": (lambda text: text.replace('"id": "', '"id": "0', 1), "its settings are those of run"),
}


@pytest.fixture
def spoilt(plan, tmp_path):
    """Spoil one of the plan's records; gives its file."""

    def spoil(change):
        for run in plan.runs:
            records.save(tmp_path, make_record(run, {}))
        file = RunFolder.of(tmp_path, "fake", plan.runs[1].spec).record
        file.write_text(change(file.read_text()))
        return file

    return spoil


@pytest.mark.parametrize(("change", "what"), WRONG.values(), ids=WRONG)
def test_a_spoilt_record_is_one_failed_run_and_one_sentence(plan, spoilt, tmp_path, caplog, change, what):
    file = spoilt(change)
    found = stored_records(plan, tmp_path)
    assert [record.status for record in found] == ["done", "failed", "done", "done", "done"]
    assert found[1].error.startswith(f"{file} {what}" if not what.startswith("its") else str(file))
    assert what in found[1].error
    assert found[1].error.endswith("`ctrbench run` sets it aside and does the run again")
    assert "\n" not in found[1].error
    assert [record.message for record in caplog.records] == [found[1].error]


def test_a_record_that_names_another_dataset_is_not_believed(plan, spoilt, tmp_path):
    spoilt(lambda text: text.replace(f'"fingerprint": "{"f" * 64}"', '"fingerprint": "other"'))
    assert "names another dataset" in stored_records(plan, tmp_path)[1].error


def test_a_copied_folder_is_not_taken_for_the_run_it_is_named_after(plan, tmp_path):
    records.save(tmp_path, make_record(plan.runs[0], {}))
    one, other = (RunFolder.of(tmp_path, "fake", run.spec).path for run in plan.runs[:2])
    shutil.copytree(one, other)
    found = stored_records(plan, tmp_path)
    assert found[0].status == "done"
    assert f"is not of run {other.name}: its settings are those of run {one.name}" in found[1].error


@pytest.mark.parametrize("newer", [True, False])
def test_a_record_that_somebody_else_can_read_is_left_alone(plan, spoilt, tmp_path, monkeypatch, newer):
    """A newer ctrbench's, or another user's: doing it again would destroy it."""
    file = spoilt(lambda text: json.dumps({**json.loads(text), "schema": 2}) if newer else text)
    if not newer:
        file.unlink()
        file.mkdir()  # as root, rights keep nobody from reading
    executed = []
    monkeypatch.setattr("ctrbench.bench.build.check", lambda spec, data: None)
    monkeypatch.setattr("ctrbench.bench.execute.execute", lambda *args: executed.append(args))
    states = []
    found = run_table(plan, FakeData(), tmp_path, on_run=lambda event: states.append((event.index, event.state)))
    assert [record.status for record in found] == ["done", "failed", "done", "done", "done"]
    assert ("update ctrbench" if newer else "see to its rights") in found[1].error
    assert not executed
    assert (1, "failed") in states
    assert file.exists()


def test_set_aside_never_takes_a_name_that_is_there(tmp_path):
    names = []
    for text in ("one", "two"):
        (tmp_path / "record.json").write_text(text)
        names.append(stored.set_aside(tmp_path / "record.json").name)
    assert names == ["record.json.bad-1", "record.json.bad-2"]
    assert (tmp_path / "record.json.bad-1").read_text() == "one"


@pytest.fixture
def run(toy, tmp_path):
    """A run that is done: its plan, its folder, its record."""
    wanted = planned(toy, "deepfm", train={"epochs": 1})
    record = execute(wanted, toy, tmp_path)
    return wanted, RunFolder.of(tmp_path, "toy", wanted.spec), record


@pytest.fixture
def trainings(monkeypatch, run):
    """How often a model was trained, after the first time."""
    calls = []
    fit = module.fit
    monkeypatch.setattr(module, "fit", lambda *args, **options: calls.append(1) or fit(*args, **options))
    return calls


def test_a_run_with_a_spoilt_record_is_done_again_after_saying_so(run, toy, tmp_path, trainings, caplog):
    wanted, folder, before = run
    folder.record.write_text("half a rec")
    again = execute(wanted, toy, tmp_path)
    assert again.metrics == before.metrics
    assert len(trainings) == 1
    assert (folder.path / "record.json.bad-1").read_text() == "half a rec"
    (said,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "it is kept as record.json.bad-1, and the run is done again" in said


def cut(file):
    file.write_bytes(file.read_bytes()[:-100])


def other_columns(file):
    pl.read_parquet(file).rename({"logit": "score"}).write_parquet(file)


def fewer_rows(file):
    pl.read_parquet(file).head(7).write_parquet(file)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [(cut, "cannot be read"), (other_columns, "has no column 'logit'"), (fewer_rows, "has 7 rows, and its record")],
)
def test_with_spoilt_predictions_a_run_is_scored_again_and_not_trained(
    run, toy, tmp_path, trainings, caplog, spoil, what
):
    wanted, folder, before = run
    whole = pl.read_parquet(folder.predictions)
    spoil(folder.predictions)
    seen = stored.look(tmp_path, DatasetFacts.of(toy), wanted.spec)
    assert seen.status == "failed"
    assert what in seen.error
    again = execute(wanted, toy, tmp_path)
    assert again.metrics == before.metrics
    assert not trainings
    assert pl.read_parquet(folder.predictions).equals(whole)
    assert (folder.path / "predictions.parquet.bad-1").exists()
    assert "the run is scored again" in caplog.text


def test_spoilt_predictions_stay_until_others_take_their_place(run, toy, tmp_path, monkeypatch):
    """Without them, the record would be believed: a process may be killed while it scores."""
    wanted, folder, _ = run
    cut(folder.predictions)
    monkeypatch.setattr(scoring, "score", lambda *args, **options: 1 / 0)
    for _ in range(2):
        assert "ZeroDivisionError" in execute(wanted, toy, tmp_path).error
        assert stored.look(tmp_path, DatasetFacts.of(toy), wanted.spec).status == "failed"
    assert not list(folder.path.glob("*.bad-*"))


def test_spoilt_weights_are_a_failed_run_not_the_end_of_the_table(run, toy, tmp_path):
    wanted, folder, before = run
    cut(folder.model)
    more = planned(toy, "deepfm", (*OWN, records.Target("test", "books", "books")), train={"epochs": 1})
    assert execute(more, toy, tmp_path).error.startswith(f"cannot read {folder.model}")
    assert records.load(tmp_path, "toy", wanted.spec) == before


def test_predictions_of_a_training_that_left_no_record_do_not_stay(run, toy, tmp_path):
    """Other weights made them: a target that is not scored now must not be found in them later."""
    _, folder, _ = run
    folder.record.unlink()
    fewer = tuple(target for target in OWN if target.split == "test")
    execute(planned(toy, "deepfm", fewer, train={"epochs": 1}), toy, tmp_path)
    assert pl.read_parquet(folder.predictions)["split"].unique().to_list() == ["test"]


def test_half_written_files_are_cleared_away_by_the_next_call(run, toy, tmp_path):
    wanted, folder, _ = run
    folder.record.unlink()
    (folder.path / ".predictions.parquet.0a1b2c3d.parquet").write_text("half")
    execute(wanted, toy, tmp_path)
    assert not [path for path in folder.path.iterdir() if path.name.startswith(".")]


def test_unusable_says_what_and_where_and_what_next(tmp_path):
    fault = Unusable(tmp_path / "record.json", "is odd")
    assert str(fault) == f"{tmp_path / 'record.json'} is odd; `ctrbench run` sets it aside and does the run again"
