"""What each kind of model can do: found, not typed; beside the paper's ticks."""

import numpy as np
import pytest

from ctrbench.bench.abilities import Abilities
from ctrbench.bench.records import Target
from ctrbench.evaluation.significance import Placements, delong
from ctrbench.report import seesaw
from ctrbench.report.layouts import abilities as module
from ctrbench.report.predictions import scored as predictions
from ctrbench.report.seesaw import balanced, gains
from ctrbench.report.tables import build
from tests import scored
from tests.fakes import D3, failed_record, findings, make_plan, make_record, register_models, table
from tests.toys import DOMAINS

CAN = {
    "multi": Abilities(generalization=False, semantics=False, scalability=True, added=1500),
    "language": Abilities(generalization=True, semantics=True, scalability=True, added=70_000),
}
PUBLISHED = {
    "multi": {"semantics": 0, "balance": 1, "generalization": 0, "scalability": 0},
    "language": {"semantics": 1, "balance": 1, "generalization": 1, "scalability": 1},
}
JOINT, ALONE = 0.7, 0.65


@pytest.fixture
def spec():
    return table("abilities", models=["multi", "language"], published=PUBLISHED)


@pytest.fixture
def plan(monkeypatch, spec):
    register_models(monkeypatch)
    monkeypatch.setattr(module, "abilities", lambda model, spec, data: CAN[model.name])
    return make_plan(spec=spec)


def records_of(plan, lost=None):
    """Joint training is 0.05 better everywhere; `lost`: by (domain, seed), what it is better by instead."""
    found = []
    for run in plan.runs:
        joint = len(run.spec.domains) > 1
        better = {d: (lost or {}).get((d, run.spec.seed), JOINT - ALONE) for d in run.spec.domains}
        found.append(make_record(run, {(d, "own"): ALONE + better[d] * joint for d in run.spec.domains}))
    return found


def built(plan, records):
    return build(findings(plan, records))


def cells(table, model):
    row = next(row for row in table.rows if row.name == model)
    heads = [(column.group, column.title) for column in table.columns]
    return dict(zip(heads, row.cells, strict=True))


def test_a_gain_is_joint_minus_alone_in_each_domain(plan):
    entries = built(plan, records_of(plan)).entries
    assert [(entry.row, entry.domain) for entry in entries] == [(m, d) for m in CAN for d in D3]
    assert [entry.values["gain"] for entry in entries] == pytest.approx([0.05] * 6)
    assert {(entry.values["joint_auc"], entry.values["alone_auc"]) for entry in entries} == {(JOINT, ALONE)}


def test_ticks_stand_beside_the_papers_and_differences_are_marked(plan):
    found = cells(built(plan, records_of(plan)), "multi")
    assert {head: cell.text for head, cell in found.items() if head[1] in ("ours", "paper")} == {
        ("Semantics", "ours"): "✗",
        ("Semantics", "paper"): "✗",
        ("Balance", "ours"): "✓",
        ("Balance", "paper"): "✓",
        ("Generalization", "ours"): "✗",
        ("Generalization", "paper"): "✗",
        ("Scalability", "ours"): "✓",
        ("Scalability", "paper"): "✗",
    }
    assert [head for head, cell in found.items() if cell.detail == "≠"] == [("Scalability", "paper")]
    assert found["Scalability", "ours"].detail == "+1.5K"


@pytest.mark.parametrize(("gain", "balance"), [(-0.0015, True), (-0.0017, False)])
def test_a_loss_of_less_than_one_pair_of_test_rows_is_none(plan, gain, balance):
    """Of 25 positive and 25 negative rows, a pair is 0.0016."""
    table = built(plan, records_of(plan, {("gift_cards", 0): gain}))
    assert table.entries[0].model["balance"] is balance
    assert table.entries[2].values["loses"] is not balance
    assert table.entries[2].values["limit"] == pytest.approx(-1 / 625)
    detail = cells(table, "multi")["Gain of joint training", "Gift Cards"].detail
    assert detail == ("limit -0.0016" if balance else "limit -0.0016, loses")


def test_with_one_seed_a_loss_within_delongs_error_is_none(tmp_path, plan, monkeypatch):
    """Joint training says the same as training alone, with other noise."""

    def noisy(run, head, rows):
        known, random = rows["true_probability"].to_numpy(), np.random.default_rng(len(run.spec.domains))
        return np.log(known / (1 - known)) + random.normal(size=len(known))

    found = scored.findings(tmp_path, noisy, kind="abilities", models=["multi"])
    table = build(found)
    for domain, gain in gains(found, found.plan.models[0]).items():
        target = Target("test", domain, "own")
        both = [predictions(found, run, target) for run in found.plan.runs if domain in run.spec.domains]
        label = both[0]["label"].to_numpy()
        expected = delong(*(Placements.of(label, one["logit"].to_numpy()) for one in both))
        assert (gain.gain.mean, gain.error) == pytest.approx((expected.value, expected.std))
        assert gain.limit == pytest.approx(-2 * expected.std)
        assert gain.loses is (expected.value < -2 * expected.std)
    assert table.footnotes == []
    assert any("by DeLong, which knows nothing of the noise of training" in line for line in table.caption)


def test_with_several_seeds_the_error_is_that_of_rows_and_of_training(tmp_path, plan):
    """Seeds that agree leave the error of the rows, which is DeLong's; seeds that differ add to it."""

    def gain_of(spread):
        def logits(run, head, rows):
            known, joint = rows["true_probability"].to_numpy(), len(run.spec.domains)
            skill = 1 + spread * np.random.default_rng([run.spec.seed, joint]).normal()
            return skill * np.log(known / (1 - known)) + np.random.default_rng(joint).normal(size=len(known))

        found = scored.findings(tmp_path / str(spread), logits, kind="abilities", models=["multi"], seeds=[0, 1, 2])
        assert any("a paired bootstrap of test rows" in line for line in build(found).caption)
        runs = [run for run in found.plan.runs if run.spec.seed == 0 and DOMAINS[0] in run.spec.domains]
        both = [predictions(found, run, Target("test", DOMAINS[0], "own")) for run in runs]
        placed = [Placements.of(one["label"].to_numpy(), one["logit"].to_numpy()) for one in both]
        return gains(found, found.plan.models[0])[DOMAINS[0]], delong(*placed)

    steady, of_rows = gain_of(0.0)
    assert steady.error == pytest.approx(of_rows.std, rel=0.1)
    assert steady.limit == pytest.approx(-2 * steady.error)
    assert gain_of(3.0)[0].error > 1.5 * steady.error


@pytest.mark.parametrize(("mean", "tick"), [(0.01, "✓"), (-0.0005, "✓"), (-0.005, "≈"), (-0.019, "≈"), (-0.021, "✗")])
def test_a_loss_that_noise_could_make_is_neither_balance_nor_none(plan, monkeypatch, mean, tick):
    monkeypatch.setattr(seesaw, "_error", lambda findings, pairs, target: (0.01, ""))
    table = built(plan, records_of(plan, {("gift_cards", 0): mean}))
    assert cells(table, "multi")["Balance", "ours"].text == tick
    assert table.entries[0].model["balance"] is {"✓": True, "≈": None, "✗": False}[tick]
    assert table.entries[2].values["loses"] is (tick == "✗")


def test_balance_is_unknown_until_every_domain_is_known_or_one_loses(plan):
    records = records_of(plan, {("fashion", 0): -0.1})
    records[3] = None  # multi on gift_cards alone
    table = built(plan, records)
    assert table.entries[0].model["balance"] is False
    records[1] = None
    table = built(plan, records)
    assert table.entries[0].model["balance"] is None
    assert cells(table, "multi")["Balance", "ours"].text == "-"
    assert cells(table, "multi")["Balance", "paper"].detail == ""


def test_a_failed_run_is_footnoted(plan):
    records = records_of(plan)
    records[1] = failed_record(plan.runs[1])
    table = built(plan, records)
    assert table.footnotes[0] == "multi on fashion, seed 0, failed: it broke"
    assert cells(table, "multi")["Gain of joint training", "Fashion"].text == "failed"
    assert cells(table, "language")["Balance", "ours"].text == "✓"


def test_what_cannot_be_told_is_unknown_and_says_why(plan, monkeypatch):
    unknown = Abilities(generalization=True, fault="backbone nobody/nothing is not here")
    monkeypatch.setattr(module, "abilities", lambda model, spec, data: unknown)
    table = built(plan, records_of(plan))
    assert [cells(table, "multi")[name, "ours"].text for name in ("Semantics", "Generalization")] == ["-", "✓"]
    assert table.footnotes[0] == "What multi can do cannot be told: backbone nobody/nothing is not here"


def test_with_one_training_domain_there_is_nothing_to_balance(plan, spec):
    plan = make_plan(spec=spec, domains=["fashion"])
    table = built(plan, records_of(plan))
    assert table.entries[0].model["balance"] is None


def test_where_predictions_are_gone_the_limit_says_what_it_lacks(plan):
    table = built(plan, records_of(plan))
    assert all(note.startswith("Its limit knows nothing of noise: ") for note in table.footnotes)
    assert balanced(gains(findings(plan, records_of(plan)), plan.models[0]))
