"""A '-' is told from a run with other settings, and from one that was not scored here."""

from dataclasses import replace

import pytest

from ctrbench.bench import records
from ctrbench.bench.plan import Target
from ctrbench.bench.settings import parse_overrides
from ctrbench.report.findings import Findings
from ctrbench.report.layouts.elsewhere import UNSAYABLE, elsewhere, options_to, settings_of_rows
from tests.fakes import FakeData, failed_record, findings, make_plan, make_record, register_models, table


@pytest.fixture(autouse=True)
def _models(monkeypatch):
    register_models(monkeypatch)


def told(folder, stored, **asked):
    """What a table with nothing of its own says of the runs of another plan, which are stored."""
    return [line for line in every(folder, stored, **asked) if "not trained" not in line]


def every(folder, stored, **asked):
    """All that it says."""
    for run in stored.runs:
        records.save(folder, make_record(run, {}))
    plan = make_plan(**asked)
    return elsewhere(Findings(plan, [None] * len(plan.runs), folder, FakeData()))


@pytest.mark.parametrize(
    ("stored", "asked", "how"),
    [
        ({"limit": 70}, {}, "with `--limit 70`"),
        ({}, {"limit": 70}, "without --limit"),
        ({"seeds": [3]}, {}, "with `--seeds 3,`"),
        ({"seeds": [3]}, {"limit": 70}, "without --limit and with `--seeds 3,`"),
    ],
)
def test_options_that_show_stored_runs_are_told(tmp_path, stored, asked, how):
    (line,) = told(tmp_path, make_plan(**stored), **asked)
    rows = "Of single, multi, language there are runs with others"
    assert line == f"'-': not run with these settings. {rows}: the same command {how} shows them."


def test_settings_are_told_of_the_row_that_they_are_of(tmp_path):
    stored = make_plan(models=["multi"], overrides=parse_overrides(["multi.config.dim=4", "multi.train.epochs=2"]))
    (line,) = told(tmp_path, stored)
    assert "Of multi there are runs" in line
    assert "with `--set multi.config.dim=4 --set multi.train.epochs=2` shows them" in line


def test_what_is_told_shows_the_runs(tmp_path):
    overrides = parse_overrides(["multi.config.dim=4"])
    for run in make_plan(models=["multi"], limit=9, overrides=overrides).runs:
        records.save(tmp_path, make_record(run, {}))
    (line,) = told(tmp_path, make_plan(models=["multi"], limit=9, overrides=overrides))
    assert "`--limit 9 --set multi.config.dim=4`" in line


def test_one_command_is_told_only_where_it_shows_all_of_them(tmp_path):
    told(tmp_path, make_plan(models=["single"], limit=70))
    (line,) = told(tmp_path, make_plan(models=["multi"], overrides=parse_overrides(["multi.config.dim=4"])))
    assert line.endswith("Of single, multi there are runs with others: see `ctrbench results ls`.")


def test_a_setting_that_a_stored_run_did_not_know_cannot_be_asked_for(tmp_path):
    (run,) = make_plan(models=["multi"], seeds=[0]).runs
    without = {key: value for key, value in run.spec.config.items() if key != "dim"}
    older = replace(run, spec=run.spec.model_copy(update={"config": without}))
    records.save(tmp_path, make_record(older, {}))
    assert options_to(run, older.spec) == [UNSAYABLE]
    (line,) = told(tmp_path, make_plan(models=["single"], limit=70), models=["multi"], seeds=[0])
    assert line.endswith("Of multi there are runs with others: see `ctrbench results ls`.")


def test_many_settings_are_where_runs_are_listed(tmp_path):
    words = [f"multi.train.{key}" for key in ("epochs=2", "lr=0.5", "batch_size=7", "patience=9", "warmup=0.2")]
    (line,) = told(tmp_path, make_plan(models=["multi"], overrides=parse_overrides(words)))
    assert line.endswith("there are runs with others: see `ctrbench results ls`.")


def test_a_run_of_another_row_of_the_same_model_is_not_this_rows(tmp_path):
    variants = {"small": {"model": "multi", "config": {"dim": 2}}, "large": {"model": "multi", "config": {"dim": 64}}}
    spec = table(models=["small", "large"], variants=variants, reference="")
    assert told(tmp_path, make_plan(spec=spec, models=["small"], seeds=[1]), spec=spec, models=["large"]) == []
    assert told(tmp_path, make_plan(spec=spec, models=["large"], seeds=[1]), spec=spec, models=["large"])


def test_failed_unreadable_and_missing_files_say_nothing(tmp_path):
    assert told(tmp_path / "nothing", make_plan(models=["multi"]), models=["single"]) == []
    other = make_plan(models=["multi"], limit=9)
    records.save(tmp_path, failed_record(other.runs[0]))
    (tmp_path / "fake" / "multi" / "broken").mkdir()
    (tmp_path / "fake" / "multi" / "broken" / "record.json").write_text("broken")
    plan = make_plan()
    (line,) = elsewhere(Findings(plan, [None] * len(plan.runs), tmp_path, FakeData()))
    assert line.startswith("'-': all rows: not trained")


def test_runs_of_another_table_that_were_not_scored_here_are_told():
    plan = make_plan("zero_shot")
    made = [make_record(run, {}) for run in plan.runs]
    assert elsewhere(findings(plan, made)) == []
    made[-1] = make_record(replace(plan.runs[-1], targets=(Target("test", "fashion", "own"),)), {})
    (line,) = elsewhere(findings(plan, made))
    assert line.startswith("'-': language: trained, and not yet scored for this table: `ctrbench run`")


def test_rows_of_which_there_is_nothing_are_told_and_how_to_train_them(tmp_path):
    (_, line) = every(tmp_path, make_plan(models=["multi"], limit=9))
    assert line == "'-': single, language: not trained; the same command with `run` trains what is missing."
    assert every(tmp_path / "none", make_plan(models=["multi"], limit=9), limit=9, models=["single", "language"]) == [
        "'-': all rows: not trained; the same command with `run` trains what is missing."
    ]


def test_a_row_that_is_begun_is_not_told_to_be_missing():
    plan = make_plan(models=["single", "multi"])
    first, *others = plan.runs
    found = findings(plan, [make_record(first, {}), *[None] * len(others)])
    assert elsewhere(found) == ["'-': multi: not trained; the same command with `run` trains what is missing."]


def test_what_a_variant_has_elsewhere_tells_its_rows_apart_too():
    variant = {"model": "multi", "config": {"dim": 4}, "columns": ["brand"], "elsewhere": {"dropout": 0.3}}
    spec = table(models=["multi", "odd"], reference="", variants={"odd": variant})
    assert settings_of_rows(spec, "multi") == {("config", "dim"), ("config", "dropout")}
