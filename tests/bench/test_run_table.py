import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ctrbench.bench import records
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.run import lacking, run_plans, run_table, stored
from ctrbench.errors import BackboneError, OutputError
from tests.fakes import FakeData, make_plan, make_record, register_models


@pytest.fixture
def failing():
    return ("multi",)


def test_after_a_failed_run_the_others_go_on(plan, executed, tmp_path):
    found = run_table(plan, FakeData(), tmp_path)
    assert [record.spec.model for record in found] == ["single"] * 3 + ["multi", "language"]
    assert [record.status for record in found] == ["done"] * 3 + ["failed", "done"]


def test_the_second_time_only_what_failed_is_run(plan, executed, tmp_path):
    run_table(plan, FakeData(), tmp_path)
    executed.clear()
    run_table(plan, FakeData(), tmp_path)
    assert executed == [run.spec.id for run in plan.runs if run.spec.model == "multi"]


def test_when_all_is_there_the_trainer_is_not_even_imported(plan, tmp_path, monkeypatch):
    for run in plan.runs:
        records.save(tmp_path, make_record(run, {}))
    monkeypatch.setitem(sys.modules, "ctrbench.bench.execute", None)
    assert len(run_table(plan, FakeData(), tmp_path)) == len(plan.runs)


def test_what_a_model_needs_is_looked_for_before_anything_is_run(plan, executed, tmp_path, monkeypatch):
    def absent(spec, data):
        raise BackboneError("no backbone")

    monkeypatch.setattr("ctrbench.bench.build.check", absent)
    with pytest.raises(BackboneError):
        run_table(plan, FakeData(), tmp_path)
    assert not executed


def test_settings_of_every_training_are_looked_at(plan, executed, tmp_path, monkeypatch):
    """One seed stands for others; another way to train the same model does not."""
    spec = plan.runs[-1].spec
    changes = [{}, {"seed": 1}, {"train": {**spec.train, "epochs": 99}}, {"base": spec}]
    runs = tuple(replace(plan.runs[-1], spec=spec.model_copy(update=change)) for change in changes)
    looked_at = []
    monkeypatch.setattr("ctrbench.bench.build.check", lambda spec, data: looked_at.append(spec))
    run_table(replace(plan, runs=runs), FakeData(), tmp_path)
    assert looked_at == [runs[0].spec, runs[2].spec, runs[3].spec]


def test_what_builds_on_a_run_that_is_done_again_is_looked_at_after_it(plan, executed, tmp_path):
    base = plan.runs[-1]
    grown = replace(base, spec=base.spec.model_copy(update={"base": base.spec}))
    records.save(tmp_path, make_record(grown, {}))
    events = []
    two = replace(plan, runs=(base, grown))
    run_table(two, FakeData(), tmp_path, on_run=lambda event: events.append((event.index, event.state)))
    assert events == [(0, "started"), (0, "done"), (1, "cached")]
    assert executed == [base.spec.id]


def test_a_run_that_lacks_a_target_is_executed_again(plan, executed, tmp_path):
    for run in plan.runs:
        records.save(tmp_path, make_record(run, {}))
    zero_shot = make_plan("zero_shot")
    run_table(zero_shot, FakeData(), tmp_path)
    assert executed == [run.spec.id for run in zero_shot.runs]


def test_events_tell_what_was_there_what_starts_and_how_it_ends(plan, executed, tmp_path):
    records.save(tmp_path, make_record(plan.runs[1], {}))
    events = []
    run_table(plan, FakeData(), tmp_path, on_run=lambda event: events.append((event.index, event.state)))
    assert events == [
        *[(1, "cached"), (0, "started"), (0, "done"), (2, "started"), (2, "done")],
        *[(3, "started"), (3, "failed"), (4, "started"), (4, "done")],
    ]


def test_an_unwritable_results_folder_is_found_before_training(plan, executed, tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(OutputError, match="cannot"):
        run_table(plan, FakeData(), tmp_path / "results")
    assert executed == []


def test_an_interruption_goes_through(plan, executed, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ctrbench.bench.execute.execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_table(plan, FakeData(), tmp_path)


def test_what_is_stored_is_in_the_plans_order(plan, tmp_path):
    records.save(tmp_path, make_record(plan.runs[2], {}))
    assert [record is not None for record in stored(plan, tmp_path)] == [False, False, True, False, False]


def test_a_run_that_lacks_what_a_table_needs_beside_scores_is_executed_again(executed, tmp_path, monkeypatch):
    register_models(monkeypatch)
    plan = make_plan("map")
    for run in plan.runs:
        records.save(tmp_path, make_record(run, {}))
    run_table(plan, FakeData(), tmp_path)
    assert executed == [run.spec.id for run in plan.runs]
    executed.clear()
    for run in plan.runs[:2]:
        RunFolder.of(tmp_path, "fake", run.spec).representations.touch()
    assert [run for run, _ in lacking([(plan, FakeData())], tmp_path)] == list(plan.runs[2:])
    run_table(plan, FakeData(), tmp_path)
    assert executed == [run.spec.id for run in plan.runs[2:]]


def test_a_variant_that_does_not_fit_the_data_is_named_as_the_table_names_it(monkeypatch):
    from ctrbench.bench import build
    from ctrbench.bench.checks import Checks
    from ctrbench.bench.plan import PlannedRun
    from ctrbench.bench.spec import RunSpec
    from ctrbench.errors import ConfigError

    def unfit(spec, data):
        raise ConfigError("there is no brand")

    monkeypatch.setattr(build, "check", unfit)
    spec = RunSpec(model="text", model_version="1", config={}, train={}, domains=("a",), seed=0, dataset="d")
    with pytest.raises(ConfigError, match=r"^row 'names': there is no brand \(--models"):
        Checks()([(PlannedRun(spec, (), "names"), None)])
    with pytest.raises(ConfigError, match=r"^there is no brand$"):
        Checks()([(PlannedRun(spec, (), "text"), None)])


def test_what_tables_share_is_looked_at_once_and_found_wrong_in_each(plan, monkeypatch):
    from ctrbench.bench.checks import Checks
    from ctrbench.errors import ConfigError

    looked_at = []

    def unfit(spec, data):
        looked_at.append(spec.model)
        if spec.model == "multi":
            raise ConfigError("does not fit")

    monkeypatch.setattr("ctrbench.bench.build.check", unfit)
    check, runs = Checks(), [(run, FakeData()) for run in plan.runs]
    for _ in range(2):
        with pytest.raises(ConfigError, match="does not fit"):
            check(runs)
    assert looked_at == ["single", "multi"]


def test_what_is_before_the_command_is_told_first(plan, executed, tmp_path):
    records.save(tmp_path, make_record(plan.runs[1], {}))
    told = []
    spec = plan.table.model_copy()
    spec._file = Path("other.toml")
    work = [(plan, FakeData()), (replace(plan, runs=plan.runs[:2], table=spec), FakeData())]
    run_plans(work, tmp_path, on_run=lambda event: told.append(event.state), on_plan=told.append)
    outlook = told[0]
    assert outlook.tables == {plan.table.name: 5, "other": 2}
    assert [run.spec.id for run in outlook.runs] == [run.spec.id for run in plan.runs]
    assert outlook.todo == [True, False, True, True, True]
