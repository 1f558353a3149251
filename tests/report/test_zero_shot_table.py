from math import nan

import pytest

from ctrbench.report.tables import build
from tests.fakes import D3, FakeData, failed_record, findings, make_plan, make_record, register_models

TEST = dict(zip(D3, (0.51, 0.55, 0.52), strict=True))
VALID = dict(zip(D3, (0.50, 0.51, 0.58), strict=True))
TARGET = "all_beauty"


@pytest.fixture
def plan(monkeypatch):
    register_models(monkeypatch)
    return make_plan("zero_shot")


def records_of(plan):
    auc = {("test", TARGET, head): value for head, value in TEST.items()}
    auc |= {("valid", TARGET, head): value for head, value in VALID.items()}
    auc |= {("test", TARGET, "mean"): 0.53, ("test", TARGET, "general"): 0.67}
    return [make_record(run, auc) for run in plan.runs]


def values(built, model):
    return next(entry.values for entry in built.entries if entry.row == model)


@pytest.mark.parametrize("model", ["single", "multi"])
def test_candidates_give_best_mean_and_worst_and_the_one_chosen_on_validation(plan, model):
    found = values(build(findings(plan, records_of(plan))), model)
    assert (found["best_auc"], found["best_head"]) == (0.55, "musical_instruments")
    assert found["mean_auc"] == pytest.approx(sum(TEST.values()) / 3)
    assert found["worst_auc"] == 0.51
    assert (found["chosen_auc"], found["chosen_head"]) == (0.52, "gift_cards")


def test_only_a_multi_domain_model_has_an_average_of_its_heads(plan):
    built = build(findings(plan, records_of(plan)))
    averaged = [values(built, model)["averaged_auc"] for model in ("single", "multi", "language")]
    assert averaged == [None, 0.53, None]


def test_a_general_network_is_the_only_candidate(plan):
    built = build(findings(plan, records_of(plan)))
    found = values(built, "language")
    assert found["chosen_auc"] == found["best_auc"] == 0.67
    assert found["chosen_head"] == "general"
    row = next(row for row in built.rows if row.name == "language")
    assert [cell.text for cell in row.cells[:5]] == ["0.6700", "", "", "0.6700", ""]


def test_the_layout_has_five_columns_per_target_and_the_cost(plan):
    built = build(findings(plan, records_of(plan)))
    assert [(c.group, c.title) for c in built.columns[:5]] == [
        ("All Beauty", title) for title in ("best", "mean", "worst", "chosen", "averaged")
    ]


def test_guessing_and_the_worst_head_are_never_marked_as_best(plan):
    """All heads of `single` and `multi` are at chance or below it, but one each."""
    auc = {("test", TARGET, head): value for head, value in zip(D3, (0.5, 0.52, 0.48), strict=True)}
    auc |= {("test", TARGET, "mean"): 0.5, ("test", TARGET, "general"): 0.67}
    built = build(findings(plan, [make_record(run, auc) for run in plan.runs]))
    picks = [column.title for column in built.columns[:5]]
    marks = {row.name: dict(zip(picks, (cell.style for cell in row.cells), strict=False)) for row in built.rows}
    assert {name: styles["best"] for name, styles in marks.items()} == {
        "single": "second",
        "multi": "second",
        "language": "best",
    }
    assert {(styles[pick] or "") for styles in marks.values() for pick in ("mean", "worst")} <= {"", "muted"}
    assert marks["multi"]["averaged"] == ""
    assert any("at or below 0.5 is marked" in line for line in built.caption)


def test_domains_that_the_data_lack_are_named_and_what_stands_in_their_place(monkeypatch):
    register_models(monkeypatch)

    def said(kind, *domains):
        plan = make_plan(kind, data=FakeData({name: name for name in domains}))
        return [line for line in build(findings(plan, [None] * len(plan.runs))).caption if "has no" in line]

    assert said("zero_shot", "old", "young") == [
        "This dataset has no domain fashion, musical_instruments, gift_cards; the columns are of its own.",
        "This dataset has no all_beauty to be unseen; in its place: old (what --target names; without it, the smallest "
        "domain).",
    ]
    assert said("main", "fashion", "gift_cards", "books") == [
        "This dataset has no domain musical_instruments; the table goes without."
    ]


def test_a_failed_candidate_is_footnoted_and_the_others_count(plan):
    records = records_of(plan)
    records[1] = failed_record(plan.runs[1])
    built = build(findings(plan, records))
    assert values(built, "single")["best_auc"] == 0.52
    assert values(built, "single")["status"] == "failed"
    assert built.footnotes == ["single on musical_instruments, seed 0, failed: it broke"]


def test_missing_runs_show_as_a_dash(plan):
    built = build(findings(plan, [None] * len(plan.runs)))
    assert values(built, "multi")["status"] == "missing"
    assert built.rows[0].cells[0].text == "-"


def test_a_target_of_one_class_has_no_auc_and_says_why(plan):
    none = {(split, TARGET, head): nan for split in ("test", "valid") for head in (*D3, "mean", "general")}
    built = build(findings(plan, [make_record(run, none) for run in plan.runs]))
    assert {row.cells[0].text for row in built.rows} == {"-"}
    assert built.footnotes == ["No AUC: the test rows are all of one class."]
    assert {entry.values["status"] for entry in built.entries} == {"done"}


def test_the_legend_says_what_a_choice_on_labelled_rows_is_worth(plan):
    caption = " ".join(build(findings(plan, records_of(plan))).caption)
    assert "labelled validation rows: honest about test rows, yet not strictly zero-shot" in caption
