"""Claims about a finished table, and about what the paper prints."""

import json
from dataclasses import replace

import pytest

from ctrbench.bench.spec import TableSpec
from ctrbench.report.claimed import as_text, claimed, on_paper
from ctrbench.report.render import render
from ctrbench.report.tables import build
from tests.fakes import failed_record, findings, make_plan, make_record, register_models, table

CLAIMS = [
    {"text": "Text wins", "kind": "above", "rows": ["language"], "than": ["others"]},
    {"text": "Many beat one", "kind": "above", "rows": ["multi"], "than": ["single_domain"], "stated": "table"},
]
PUBLISHED = {
    "single": {"fashion": 0.7, "musical_instruments": 0.7, "gift_cards": 0.6},
    "multi": {"fashion": 0.69, "musical_instruments": 0.71, "gift_cards": 0.65},
    "language": {"fashion": 0.75, "musical_instruments": 0.75, "gift_cards": 0.75},
}
HIGH = {"single": 0.6, "multi": 0.65, "language": 0.7}


@pytest.fixture(autouse=True)
def _fakes(monkeypatch):
    register_models(monkeypatch)


def made(records=None, claims=CLAIMS, **options):
    spec = table(claims=claims, published=PUBLISHED)
    plan = make_plan(spec=spec, **options)
    found = [make_record(r, {(d, "own"): HIGH[r.spec.model] for d in r.spec.domains}) for r in plan.runs]
    whole = findings(plan, records(plan.runs, found) if records else found)
    shown = build(whole)
    shown.claims = claimed(whole, shown)
    return shown


def test_a_claim_is_tested_here_and_on_the_papers_own_numbers():
    wins, many = made().claims
    assert (wins.here.verdict, wins.paper.verdict) == ("holds", "holds")
    assert (many.here.verdict, many.paper.verdict) == ("holds", "does not hold")
    assert many.contradicted
    assert "fashion: multi 0.6900, single 0.7000 (-0.0100)" in many.paper.why


@pytest.mark.parametrize("lost", ["missing", "failed"])
def test_a_claim_over_a_run_that_is_not_there_cannot_be_tested(lost):
    def without_first(runs, found):
        return [failed_record(runs[0]) if lost == "failed" else None, *found[1:]]

    for claim in made(without_first).claims:
        assert (claim.here.verdict, claim.here.why) == ("cannot be tested", "there is no number of single on fashion")


def test_a_claim_over_rows_that_were_not_asked_for_cannot_be_tested():
    wins, _ = made(models=["language", "multi"]).claims
    assert wins.here.verdict == "cannot be tested"


def test_without_published_numbers_the_paper_cannot_be_tested():
    plan = make_plan(spec=table(claims=CLAIMS))
    whole = findings(plan, [None] * len(plan.runs))
    assert {c.paper.why for c in claimed(whole, build(whole))} == {"the paper prints no numbers"}


def test_what_is_printed_names_verdicts_numbers_and_contradictions():
    text = "\n".join(as_text(made().claims))
    assert "HOLDS: Text wins\n    here: fashion: language 0.7000, multi 0.6500 (+0.0500)" in text
    assert "HOLDS: Many beat one (read off the paper's table)" in text
    assert text.endswith("The paper's own numbers contradict these of its claims:\n    Many beat one")


def test_json_holds_them_and_other_formats_show_them():
    shown = made()
    found = json.loads(render(shown, "json"))["claims"][1]
    assert (found["here"]["verdict"], found["paper"]["verdict"]) == ("holds", "does not hold")
    assert found["contradicted_by_the_paper"] is True
    assert found["here"]["numbers"]["multi"]["fashion"] == 0.65
    assert "HOLDS: Text wins" in render(shown, "md")
    assert "HOLDS: Text wins" in render(shown, "table")


def test_without_being_asked_for_no_format_has_them():
    shown = made()
    shown.claims = []
    assert "claims" not in json.loads(render(shown, "json"))
    assert "claims" not in render(shown, "table")


CONTRADICTIONS = {
    "table3": [
        "Multi-domain models surpass single-domain models on Fashion and Musical Instruments (the best of each)."
    ],
    "table5": ["The drop is largest on Gift Cards (names and IDs)."],
    "table6": [
        "The widened multi-domain models (MMOE and, in the text, PLE) both beat Uni-CTR without ladders.",
    ],
    "latency": [
        "A full prompt takes around 2 ms (less than 2.5).",
        "A full prompt keeps the budget of 1 to 2 ms (Section VI-B).",
    ],
    **{name: [] for name in ("table1", "table2", "table4", "table7", "fig3", "fig4", "fig5", "fig6")},
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_the_papers_contradictions_are_found_by_its_own_numbers(name, monkeypatch):
    monkeypatch.undo()
    spec = TableSpec.find(name)
    found = [claim.text for claim in spec.claims if on_paper(spec, claim).verdict == "does not hold"]
    assert found == CONTRADICTIONS[name]


def test_what_the_paper_does_not_print_cannot_be_tested_on_its_numbers():
    claim = {"text": "It is sure", "kind": "bound", "rows": ["single"], "value": "p_holm", "most": 0.05}
    claims = [claim, {**claim, "unprinted": "it prints a star"}]
    plan = make_plan(spec=table(claims=claims, published=PUBLISHED))
    whole = findings(plan, [None] * len(plan.runs))
    found = claimed(whole, build(whole))
    assert {one.paper.verdict for one in found} == {"cannot be tested"}
    assert [one.paper.why for one in found] == ["the paper prints no such numbers", "it prints a star"]


def test_what_the_paper_prints_not_of_a_row_is_said_to_be_unprinted(monkeypatch):
    monkeypatch.undo()
    spec = TableSpec.find("fig4")
    found = on_paper(spec, next(claim for claim in spec.claims if claim.kind == "rising"))
    assert found.verdict == "cannot be tested"
    assert "the paper prints no number of TinyBERT (14M), BERT (110M)" in found.why
    assert "DeBERTa-V3-Large → Sheared-LLaMA (1.3B)" in found.why


def test_beside_another_metric_claims_say_that_they_are_about_the_auc():
    plan = make_plan(spec=table(claims=CLAIMS, published=PUBLISHED))
    whole = replace(findings(plan, [None] * len(plan.runs)), metric="logloss")
    lines = as_text(claimed(whole, build(whole)))
    assert lines[1] == "They are about the AUC, and not about the logloss that is shown."
    assert not any("They are about" in line for line in as_text(made().claims))


def test_a_question_of_ours_is_no_contradiction_of_the_papers():
    claims = [{**CLAIMS[1], "stated": "ours"}]
    text = "\n".join(as_text(made(claims=claims).claims))
    assert "HOLDS: Many beat one (not the paper's, ours)" in text
    assert "contradict" not in text
