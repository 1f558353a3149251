"""A new domain's table: what was added to a trained model, what it reaches, and that nothing else moved."""

import pytest

from ctrbench.bench.records import Cost, Growth, Target
from ctrbench.evaluation.significance import Placements, delong
from ctrbench.report.predictions import scored
from ctrbench.report.tables import build
from tests import scored as on_disk
from tests.fakes import D3, failed_record, findings, make_plan, make_record, register_models, table
from tests.toys import DOMAINS

NEW = "all_beauty"
AUC = {"single": 0.6, "multi": 0.7, "language": 0.8}


def spec(**changes):
    return table("new_domain", targets=[NEW], **changes)


@pytest.fixture
def plan(monkeypatch):
    register_models(monkeypatch)
    return make_plan(spec=spec())


def record_of(run, **changes):
    if run.spec.base is not None:
        changes["growth"] = Growth(base=run.spec.base.id, base_file="0" * 64, domains=D3, rows=192, weights=1000)
        changes["cost"] = Cost(parameters=1200, parameters_trained=200, train_seconds=2.0, rows_per_s=10.0)
    return make_record(run, {(NEW, "own"): AUC[run.spec.model]}, **changes)


def values(built, model):
    return next(entry.values for entry in built.entries if entry.row == model)


def cells(built, model):
    row = next(row for row in built.rows if row.name == model)
    return dict(zip([column.title for column in built.columns], row.cells, strict=True))


def whole(plan):
    return build(findings(plan, [record_of(run) for run in plan.runs]))


def test_a_joint_model_is_trained_first_and_then_extended(plan):
    shown = [(run.row, run.spec.domains, run.spec.base and run.spec.base.domains) for run in plan.runs]
    joint = [entry for row in ("multi", "language") for entry in ((row, D3, None), (row, (NEW,), D3))]
    assert shown == [("single", (NEW,), None), *joint]


def test_auc_is_of_the_new_domain_and_relaimpr_of_the_reference(plan):
    built = whole(plan)
    assert {model: values(built, model)["auc"] for model in AUC} == AUC
    assert values(built, "multi")["relaimpr"] == pytest.approx(50.0)
    assert values(built, "language")["relaimpr"] is None


def test_cost_is_that_of_the_new_domain_alone(plan):
    built = whole(plan)
    entry = next(entry for entry in built.entries if entry.row == "multi")
    assert (entry.model["parameters_trained"], entry.model["train_seconds"]) == (200, 2.0)
    assert cells(built, "single")["train s"].value == 10.0
    assert "is not counted" in " ".join(built.caption)


def test_old_domains_are_said_to_be_unchanged_only_where_that_was_found(plan):
    built = whole(plan)
    assert [cells(built, model)["seesaw"].text for model in AUC] == ["", "unchanged", "unchanged"]
    records = [record_of(run) for run in plan.runs]
    records[2] = records[2].model_copy(update={"growth": None})
    assert cells(build(findings(plan, records)), "multi")["seesaw"].text == "unknown"
    assert cells(build(findings(plan, [None] * 5)), "multi")["seesaw"].text == "-"


def test_a_failed_extension_is_footnoted_and_the_others_count(plan):
    records = [record_of(run) for run in plan.runs]
    records[2] = failed_record(plan.runs[2], "its base moved")
    built = build(findings(plan, records))
    assert cells(built, "multi")["AUC"].text == "failed"
    assert built.footnotes == ["multi on all_beauty, seed 0, failed: its base moved"]
    assert values(built, "language")["auc"] == 0.8


def test_a_model_that_cannot_be_extended_is_no_failure_and_says_why(monkeypatch):
    monkeypatch.setattr("tests.fakes.Multi.adds_domains", False, raising=False)
    register_models(monkeypatch)
    plan = make_plan(spec=spec())
    assert not plan.runs_of("multi", 0)
    built = whole(plan)
    assert cells(built, "multi")["AUC"].text == "-"
    assert built.footnotes == ["multi has no network per domain, so no domain can be added to it."]
    assert values(built, "multi")["status"] == "impossible"


def test_published_numbers_stand_beside_ours_where_the_domains_are_the_papers(monkeypatch):
    register_models(monkeypatch)
    published = spec(published={"language": {NEW: 0.614}})
    built = whole(make_plan(spec=published))
    assert values(built, "language")["published_difference"] == pytest.approx(0.186)
    assert [cells(built, model)["paper"].text for model in AUC] == ["-", "-", "0.6140"]
    assert "cannot be extended" in " ".join(built.caption)
    other = make_plan(spec=published, domains=["fashion"])
    assert "paper" not in [column.title for column in whole(other).columns]


def test_rows_are_those_of_the_new_domain(plan):
    caption = whole(plan).caption
    assert (
        "Joint models trained on fashion, musical_instruments, gift_cards, then extended to all_beauty; seed 0."
        in caption
    )
    assert "Rows: train 100; test all_beauty 50 (25 positive, guessing 0.5 ± 0.162)." in caption


def test_every_row_is_as_wide_as_the_table(plan):
    records = [make_record(run, {(NEW, "oracle"): 0.9}) for run in plan.runs]
    built = build(findings(plan, records))
    assert {len(row.cells) for row in built.rows} == {len(built.columns)}
    assert built.rows[-1].name == "oracle"


def test_rows_are_tested_against_the_reference_on_the_new_domains_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.fakes.Multi.adds_domains", False, raising=False)
    register_models(monkeypatch)
    skills = on_disk.truth({"language": 3.0, "single": 0.0})
    found = on_disk.findings(tmp_path, skills, kind="new_domain")
    built = build(found)
    runs = {run.row: run for run in found.plan.runs if run.spec.domains == DOMAINS[-1:]}
    rows = [scored(found, runs[name], Target("test", DOMAINS[-1], "own")) for name in ("language", "single")]
    wanted = delong(*(Placements.of(one["label"].to_numpy(), one["logit"].to_numpy()) for one in rows))
    got = values(built, "single")
    assert [got["difference"], got["p"], got["p_holm"]] == pytest.approx([wanted.value, wanted.p, wanted.p])
    assert (got["difference_ci_low"], got["difference_ci_high"]) == pytest.approx(wanted.interval)
    assert values(built, "language")["auc_ci_low"] is not None
    assert (values(built, "multi")["p"], values(built, "multi")["untested"]) == (None, None)
    assert [cells(built, name)["AUC"].text[-1] for name in ("single", "language")] == [f"{got['auc']:.4f}"[-1], "*"]
    assert any("Holm-adjusted for the table's 1 comparison with language" in line for line in built.caption)
