"""Each kind of damage in a results folder is found, and nothing else."""

import json
import os
import shutil

import polars as pl
import pytest

from ctrbench.bench import metric_tree
from ctrbench.bench.execute import execute
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.records import Target
from ctrbench.bench.results import stored_runs
from ctrbench.bench.verify import Verifier
from ctrbench.data.store import PreparedDataset
from tests.bench.test_execute import OWN, planned
from tests.bench.test_turns import another_at
from tests.toys import DOMAINS


@pytest.fixture(scope="module")
def whole(toy, tmp_path_factory):
    """Results of one run, over several heads and splits."""
    results = tmp_path_factory.mktemp("results")
    wanted = planned(toy, "mmoe", (*OWN, *(Target("test", domain, "mean") for domain in DOMAINS)), train={"epochs": 1})
    execute(wanted, toy, results)
    return results


@pytest.fixture
def folder(whole, tmp_path):
    """The run's folder in a copy of the results."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return RunFolder(next(tmp_path.rglob("record.json")).parent)


def found(results, clean=False):
    verifier = Verifier(clean)
    every = [finding for run in stored_runs(results) for finding in verifier.run(run)]
    every += [*verifier.removals(results), *verifier.not_compared(results)]
    return [(f.level, f.path.name, f.text) for f in every]


def change_record(folder, change):
    raw = json.loads(folder.record.read_text())
    change(raw)
    folder.record.write_text(json.dumps(raw))


def change_predictions(folder, change):
    change(pl.read_parquet(folder.predictions)).write_parquet(folder.predictions)


def test_of_a_whole_run_there_is_nothing_to_say(whole):
    assert found(whole) == []


def test_one_logit_that_changed_is_found(folder, tmp_path):
    far = pl.when(pl.int_range(pl.len()) == 5).then(-pl.col("logit") - 9).otherwise("logit")
    change_predictions(folder, lambda rows: rows.with_columns(far.alias("logit")))
    ((level, name, text),) = found(tmp_path)
    assert (level, name) == ("fault", "predictions.parquet")
    assert "is not what its record was made of" in text


@pytest.mark.parametrize("column", ["label", "logit"])
def test_a_number_that_is_gone_is_found(folder, tmp_path, column):
    hole = pl.when(pl.int_range(pl.len()) != 5).then(column)
    change_predictions(folder, lambda rows: rows.with_columns(hole.alias(column)))
    assert [level for level, *_ in found(tmp_path)] == ["fault"]


def test_a_latency_file_that_cannot_be_read_is_found(folder, tmp_path):
    folder.latency.write_text("{")
    ((level, name, text),) = found(tmp_path)
    assert (level, name) == ("fault", "latency.json")
    assert text.startswith("cannot be read (")


def test_a_row_id_of_another_row_is_found(folder, tmp_path):
    """No metric tells."""
    other = pl.when(pl.int_range(pl.len()) == 5).then(pl.col("row_id") + 10**6).otherwise("row_id")
    change_predictions(folder, lambda rows: rows.with_columns(other.alias("row_id")))
    ((level, name, text),) = found(tmp_path)
    assert (level, name) == ("fault", "predictions.parquet")
    assert "its row_ids (" in text
    assert "are not those of" in text


@pytest.mark.parametrize("column", ["label", "logit", "row_id", "true_probability"])
def test_text_where_numbers_belong_is_a_sentence(folder, tmp_path, column):
    change_predictions(folder, lambda rows: rows.with_columns(pl.col(column).cast(pl.String)))
    assert found(tmp_path) == [
        ("fault", "predictions.parquet", f"has String values in its column {column!r}, and no numbers")
    ]


def test_one_missing_row_is_found(folder, tmp_path):
    """Also where there are as many as there should be."""
    change_predictions(folder, lambda rows: rows.slice(1).vstack(rows.tail(1)))
    assert [level for level, *_ in found(tmp_path)] == ["fault"] * 2  # the first target, and the last


@pytest.mark.parametrize("metric", ["auc", "logloss", "rows", "positives"])
@pytest.mark.parametrize("head", ["own", "mean", "oracle"])
def test_a_metric_that_was_edited_is_found(folder, tmp_path, metric, head):
    def edit(raw):
        metrics = raw["metrics"]["test"]["games"][head]
        metrics[metric] = metrics[metric] - 1 if metric in ("rows", "positives") else metrics[metric] + 1e-6

    change_record(folder, edit)
    assert {level for level, *_ in found(tmp_path)} == {"fault"}


def test_bytes_that_rotted_are_found(folder, tmp_path):
    raw = bytearray(folder.predictions.read_bytes())
    raw[50:450] = b"\xff" * 400
    folder.predictions.write_bytes(raw)
    ((level, name, text),) = found(tmp_path)
    assert (level, name) == ("fault", "predictions.parquet")
    assert f"ctrbench results rm {folder.path.name}" in text or "not what its record" in text


def test_missing_predictions_are_found(folder, tmp_path):
    folder.predictions.unlink()
    assert found(tmp_path) == [("fault", "predictions.parquet", "is missing")]


@pytest.mark.parametrize("name", ["model", "features"])
def test_weights_and_features_are_looked_at(folder, tmp_path, name):
    file = getattr(folder, name)
    file.write_bytes(file.read_bytes()[:-3])
    ((level, found_name, text),) = found(tmp_path)
    assert (level, found_name) == ("fault", file.name)
    assert "cannot be read" in text
    file.unlink()
    ((level, _, text),) = found(tmp_path)
    assert level == "note"
    assert "is missing" in text


def test_a_copied_run_is_found(folder, tmp_path):
    shutil.copytree(folder.path, folder.path.with_name("0" * 16))
    ((level, _, text),) = found(tmp_path)
    assert level == "fault"
    assert "its settings are those of run" in text


def test_a_run_in_the_folder_of_another_model_is_found(folder, tmp_path):
    shutil.move(folder.path.parent, folder.path.parent.with_name("deepfm"))
    assert [level for level, *_ in found(tmp_path)] == ["fault"]


def test_test_rows_are_compared_with_the_prepared_dataset(folder, tmp_path):
    change_record(folder, lambda raw: raw["rows"]["test_hash"].update(books="0" * 64))
    ((level, _, text),) = found(tmp_path)
    assert level == "fault"
    assert "its test rows of books are not those of" in text


def test_a_dataset_that_is_gone_or_another_is_only_noted(folder, tmp_path, toy, monkeypatch):
    change_record(folder, lambda raw: raw["dataset"].update(path=str(tmp_path / "gone")))
    assert [level for level, *_ in found(tmp_path)] == ["note"]
    change_record(folder, lambda raw: raw["dataset"].update(path=str(toy.path)))
    assert found(tmp_path) == []
    other = PreparedDataset(toy.path, toy.manifest.model_copy(update={"fingerprint": "0" * 64}))
    monkeypatch.setattr(PreparedDataset, "open", lambda path: other)
    assert [level for level, *_ in found(tmp_path)] == ["note"]


@pytest.mark.parametrize(
    ("path", "name", "said"),
    [("gone", "gone", "does not hold toy ({}) any more"), (None, "", "does not tell where toy ({}) is")],
)
def test_a_dataset_that_is_gone_is_told_once_for_all_of_its_runs(whole, toy, tmp_path, path, name, said):
    """As for 95 runs, of which each line would be the same."""
    results = tmp_path / "results"
    shutil.copytree(whole, results)
    execute(planned(toy, "mmoe", train={"epochs": 1, "lr": 0.002}), toy, results)
    for run in stored_runs(results):
        change_record(run.folder, lambda raw: raw["dataset"].update(path=path and str(tmp_path / path)))
    text = f"{said.format(toy.fingerprint[:12])}: test rows of 2 runs were not compared"
    assert found(results) == [("note", name or "results", text)]


def test_a_fault_is_told_with_what_to_type(folder, tmp_path):
    folder.model.write_bytes(b"")
    ((finding),) = [found for run in stored_runs(tmp_path) for found in Verifier().run(run)]
    assert finding.remedy == (
        f"`ctrbench results rm {folder.path.name} --results {tmp_path}`, then `ctrbench run` its table again"
    )


def test_leftovers_are_noted_and_removed_if_asked(folder, tmp_path):
    half = folder.path / ".record.json.0a1b2c3d.json"
    gone = folder.path.with_name(f".{'1' * 16}.removed")
    marks = [folder.path / ".seen-12", tmp_path / ".seen-34"]
    for path in (half, folder.checkpoint, *marks):
        path.touch()
    for path in marks:
        os.utime(path, (0, 0))
    gone.mkdir()
    aside = folder.path / "record.json.bad-1"
    aside.touch()
    notes = found(tmp_path)
    assert {level for level, *_ in notes} == {"note"}
    assert {name for _, name, _ in notes} == {
        *(half.name, folder.checkpoint.name, gone.name, aside.name),
        *(mark.name for mark in marks),
    }
    assert found(tmp_path, clean=True)
    assert found(tmp_path) == [("note", aside.name, "was set aside; nothing reads it")]
    assert folder.record.exists()


def test_the_checkpoint_of_an_unfinished_run_is_no_leftover(folder, tmp_path):
    folder.record.unlink()
    folder.checkpoint.touch()
    ((level, _, text),) = found(tmp_path, clean=True)
    assert level == "note"
    assert "never finished" in text
    assert folder.checkpoint.exists()


def test_a_run_that_a_process_is_at_is_left_alone(folder, tmp_path):
    (folder.path / ".record.json.0a1b2c3d.json").touch()
    folder.record.write_text("{")
    with another_at(folder):
        assert found(tmp_path, clean=True) == [("note", folder.path.name, "a process is at it")]
    assert (folder.path / ".record.json.0a1b2c3d.json").exists()


def test_truths_that_are_certain_have_an_oracle_that_can_be_verified():
    rows = pl.DataFrame({"label": [0.0, 1.0, 1.0, 0.0], "true_probability": [0.0, 1.0, 0.5, 0.3], "own": [0.1] * 4})
    oracle = metric_tree.metrics("test", "a", rows, ["own"])["test"]["a"]["oracle"]
    assert (oracle.auc, oracle.logloss) == (1.0, pytest.approx(0.2624, abs=1e-4))
    assert metric_tree.comes_of(rows["label"], metric_tree.as_logit(rows["true_probability"]), oracle)
