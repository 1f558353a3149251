"""What is in a results folder, and what `ctrbench results` may remove from it."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ctrbench.bench import records, results as module
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.odd import odd_settings
from ctrbench.bench.results import StoredRun, choose, half_removed, remove, stored_runs
from ctrbench.bench.settings import flat
from ctrbench.errors import ConfigError, OutputError
from tests.bench.test_turns import another_at
from tests.fakes import failed_record, make_record


@pytest.fixture
def runs(plan, tmp_path):
    """One of each status but `running`, by status; one more is done."""
    ended = {"finished": "2026-01-02T03:04:05+00:00", "ctrbench": "0.1.0"}
    records.save(tmp_path, make_record(plan.runs[0], {("fashion", "own"): 0.7}, provenance=ended))
    records.save(tmp_path, make_record(plan.runs[4], {}))
    records.save(tmp_path, failed_record(plan.runs[1]))
    RunFolder.of(tmp_path, "fake", plan.runs[2].spec).path.mkdir(parents=True)
    records.save(tmp_path, make_record(plan.runs[3], {})).record.write_text("{")
    (tmp_path / "fake" / "multi" / "notes").mkdir()
    found = stored_runs(tmp_path)
    assert len(found) == 5
    return {run.status: run for run in found}


def test_settings_that_two_runs_do_not_share_are_odd_in_both(plan, tmp_path):
    """And of many, those that most of them have otherwise."""
    specs = [plan.runs[0].spec.model_copy(update={"config": {"dim": dim, "rest": {"a": 1}}}) for dim in (8, 16)]
    specs.append(specs[0].model_copy(update={"seed": 1}))

    def odd():
        return [*odd_settings(stored_runs(tmp_path)).values()]

    for spec in specs[:2]:
        records.save(tmp_path, make_record(replace(plan.runs[0], spec=spec), {}))
    assert sorted(odd(), key=str) == [{"config.dim": 16}, {"config.dim": 8}]
    records.save(tmp_path, make_record(replace(plan.runs[0], spec=specs[2]), {}))
    assert sorted(odd(), key=str) == [{"config.dim": 16}, {}, {}]


def test_each_run_has_a_status(runs):
    assert set(runs) == {"done", "failed", "unfinished", "unreadable"}
    assert "cannot be read" in str(runs["unreadable"].fault)


def test_a_run_is_what_its_record_says(runs, plan, tmp_path):
    (run,) = choose(stored_runs(tmp_path), ids=[plan.runs[0].spec.id])
    assert (run.model, run.dataset, run.version) == ("single", "fake", "0.1.0")
    assert run.auc == pytest.approx(0.7)
    assert run.when == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert run.size == run.folder.record.stat().st_size


def test_without_a_record_the_folders_tell(runs):
    assert (runs["unfinished"].model, runs["unfinished"].dataset) == ("single", "fake")
    assert (runs["unfinished"].auc, runs["unfinished"].version) == (None, None)


@pytest.mark.parametrize("status", ["failed", "unfinished", "unreadable"])
def test_a_run_that_a_process_is_at_is_running(runs, status, tmp_path):
    with another_at(runs[status].folder):
        assert [run.status for run in stored_runs(tmp_path) if run.id == runs[status].id] == ["running"]


def test_all_that_is_asked_must_hold(runs, tmp_path, plan):
    found = stored_runs(tmp_path)
    assert {run.model for run in choose(found, model="single")} == {"single"}
    assert len(choose(found, model="single", status="failed")) == 1
    assert choose(found, model="multi", status="failed") == []
    assert len(choose(found, dataset="fake")) == 5
    assert len(choose(found, dataset="ffffff")) == 3  # those whose record says so
    assert [run.id for run in choose(found, ids=[plan.runs[0].spec.id[:9]])] == [plan.runs[0].spec.id]


def test_older_than_counts_from_the_end_of_the_run(runs, tmp_path, plan):
    long_ago = datetime.now(UTC) - datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    found = stored_runs(tmp_path)
    assert [run.id for run in choose(found, older_than=1)] == [plan.runs[0].spec.id]
    assert choose(found, older_than=long_ago / timedelta(days=1) + 1) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ids": ["zz"]}, "there is no run 'zz'"),
        ({"ids": [""]}, "begins the ids of 5 runs"),
        ({"model": "singel"}, "no run of the model 'singel'. Did you mean 'single'"),
        ({"dataset": "fakes"}, "no run of the dataset 'fakes'. Did you mean 'fake'"),
    ],
)
def test_what_no_run_has_is_a_mistake(runs, tmp_path, options, said):
    with pytest.raises(ConfigError) as caught:
        choose(stored_runs(tmp_path), **options)
    assert said in str(caught.value)


def test_a_folder_that_is_not_there_is_a_mistake(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no folder .*--results"):
        stored_runs(tmp_path / "nowhere")


def test_a_removed_run_is_gone_whole_and_the_others_stay(runs, tmp_path):
    assert remove(runs["failed"])
    assert not runs["failed"].folder.path.exists()
    assert len(stored_runs(tmp_path)) == 4
    assert half_removed(tmp_path) == []


def test_with_the_last_run_its_models_folder_goes(runs):
    folder = runs["unreadable"].folder.path.parent
    (folder / "notes").rmdir()
    assert remove(runs["unreadable"])
    assert not folder.exists()


def test_a_run_that_a_process_is_at_is_not_removed(runs):
    with another_at(runs["failed"].folder):
        assert not remove(runs["failed"])
    assert runs["failed"].folder.record.exists()


def test_a_killed_removal_leaves_no_half_run(runs, tmp_path, monkeypatch):
    """Its folder has another name by then, which nothing takes for a run."""

    def killed(path, **options):
        if os.path.exists(path):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove(runs["failed"])
    assert len(stored_runs(tmp_path)) == 4
    assert len(half_removed(tmp_path)) == 1


def test_a_disk_that_only_reads_is_one_sentence(runs, monkeypatch):
    def refused(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.rename", refused)
    with pytest.raises(OutputError, match=r"cannot write .*Read-only file system"):
        remove(runs["failed"])


def test_a_link_to_another_folder_is_left_as_it_is(runs, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    run = runs["failed"]
    run.folder.path.rename(elsewhere)
    run.folder.path.symlink_to(elsewhere)
    with pytest.raises(OutputError, match=r"is a link to .*elsewhere"):
        remove(run)
    assert run.folder.path.is_symlink()
    assert run.folder.record.exists()


def test_what_is_usual_is_counted_once_for_all_runs_of_a_model(plan, monkeypatch, tmp_path):
    counted = []
    monkeypatch.setattr("ctrbench.bench.odd._usual", lambda values: counted.append(len(list(values))))
    run = plan.runs[0]
    odd_settings([StoredRun(RunFolder(tmp_path / str(place)), make_record(run, {})) for place in range(9)])
    settings = ("limit", *flat({"config": run.spec.config, "train": run.spec.train}))
    assert counted == [9] * len(settings)
