import pytest

from ctrbench.report.tables import build
from tests.fakes import D3, TITLES, FakeData, failed_record, findings, make_plan, make_record, register_models, table


@pytest.fixture(autouse=True)
def _models(monkeypatch):
    register_models(monkeypatch)


def records_of(plan, **auc):
    """A done record per run; `auc` gives a model's value on all its domains."""
    return [
        make_record(run, {(domain, "own"): auc.get(run.spec.model, 0.6) for domain in run.spec.domains})
        for run in plan.runs
    ]


def made(plan, records):
    return build(findings(plan, records))


def column(built, title, group="Fashion"):
    index = next(i for i, c in enumerate(built.columns) if (c.title, c.group) == (title, group))
    return {row.name: row.cells[index] for row in built.rows}


def entry(built, model, domain="fashion"):
    return next(e for e in built.entries if (e.row, e.domain) == (model, domain))


def test_each_domains_auc_of_a_single_domain_model_is_from_that_domains_run():
    plan = make_plan()
    values = dict(zip(D3, (0.61, 0.62, 0.63), strict=True))
    records = [make_record(run, {(d, "own"): values[d] for d in run.spec.domains}) for run in plan.runs]
    built = made(plan, records)
    assert {d: entry(built, "single", d).values["auc"] for d in D3} == values


def test_a_rows_cost_is_the_sum_over_its_runs_and_its_speed_that_of_all_rows():
    plan = make_plan()
    records = records_of(plan)
    records[0].cost.train_seconds, records[0].cost.rows_per_s = 30.0, 10.0
    cost = entry(made(plan, records), "single").model
    assert cost["parameters"] == 3000
    assert cost["train_seconds"] == 50.0
    assert cost["rows_per_s"] == pytest.approx((300 + 500 + 500) / 50)


def test_cost_is_a_mean_over_seeds():
    plan = make_plan(seeds=[0, 1])
    assert entry(made(plan, records_of(plan)), "single").model["parameters"] == 3000


def test_best_and_second_are_marked_without_oracle_and_published():
    plan = make_plan(spec=table(published={"single": {"fashion": 0.99}}))
    records = records_of(plan, single=0.61, multi=0.63, language=0.62)
    records[0] = make_record(plan.runs[0], {("fashion", "own"): 0.61, ("fashion", "oracle"): 0.9})
    built = made(plan, records)
    assert {name: cell.style for name, cell in column(built, "AUC").items()} == {
        "single": "",
        "multi": "best",
        "language": "second",
        "oracle": "muted",
    }
    assert column(built, "paper")["single"].style == "muted"
    assert column(built, "AUC")["oracle"].text == "0.9000"
    assert entry(built, "multi").values["oracle_auc"] == 0.9


def test_without_an_oracle_there_is_no_such_row():
    plan = make_plan()
    assert [row.name for row in made(plan, records_of(plan)).rows] == ["single", "multi", "language"]


def test_over_seeds_there_are_mean_and_deviation_and_relaimpr_is_of_means():
    plan = make_plan(seeds=[0, 1])
    value = {0: {"multi": 0.60, "language": 0.70}, 1: {"multi": 0.62, "language": 0.72}}
    records = [
        make_record(run, {(d, "own"): value[run.spec.seed].get(run.spec.model, 0.6) for d in run.spec.domains})
        for run in plan.runs
    ]
    built = made(plan, records)
    assert entry(built, "multi").values["auc"] == pytest.approx(0.61)
    assert entry(built, "multi").values["auc_std"] == pytest.approx(0.01 * 2**0.5)
    assert entry(built, "multi").values["relaimpr"] == pytest.approx(((0.71 - 0.5) / (0.61 - 0.5) - 1) * 100)
    assert column(built, "AUC")["multi"].detail == "±0.0141"


def test_the_published_value_and_the_difference_from_it_stand_beside():
    spec = table(published={"multi": dict.fromkeys(D3, 0.65)})
    plan = make_plan(spec=spec)
    cell = column(made(plan, records_of(plan, multi=0.66)), "paper")["multi"]
    assert (cell.text, cell.detail) == ("0.6500", "+0.0100")


def test_published_values_of_other_domains_are_not_shown():
    spec = table(published={"multi": {"fashion": 0.65}})
    plan = make_plan(spec=spec, domains=["fashion", "gift_cards"])
    built = made(plan, records_of(plan))
    assert "paper" not in [c.title for c in built.columns]
    assert entry(built, "multi").values["published_auc"] is None


def test_a_failed_run_shows_as_failed_with_its_error_and_the_rest_stands():
    plan = make_plan()
    records = records_of(plan)
    records[1] = failed_record(plan.runs[1], "out of memory\nat line 3")
    built = made(plan, records)
    cells = [column(built, "AUC", TITLES[domain])["single"] for domain in D3]
    assert [cell.text for cell in cells] == ["0.6000", "failed", "0.6000"]
    assert built.footnotes == ["single on musical_instruments, seed 0, failed: out of memory at line 3"]
    assert cells[1].footnotes == [1]
    assert entry(built, "single", "musical_instruments").values["status"] == "failed"


def test_with_a_failed_seed_the_others_mean_is_shown_and_footnoted():
    plan = make_plan(seeds=[0, 1])
    records = records_of(plan)
    records[-1] = failed_record(plan.runs[-1])
    cell = column(made(plan, records), "AUC")["language"]
    assert cell.text == "0.6000"
    assert cell.footnotes


def test_a_failed_reference_leaves_no_relaimpr():
    plan = make_plan()
    records = [*records_of(plan)[:-1], failed_record(plan.runs[-1])]
    assert column(made(plan, records), "RelaImpr")["single"].text == "-"


def test_a_row_at_chance_has_no_relaimpr_and_the_legend_says_why():
    plan = make_plan()
    told = {auc: "RelaImpr is '-'" in " ".join(made(plan, records_of(plan, single=auc)).caption) for auc in (0.5, 0.51)}
    assert told == {0.5: True, 0.51: False}
    assert column(made(plan, records_of(plan, single=0.5)), "RelaImpr")["single"].text == "-"


def test_a_reference_at_chance_leaves_no_relaimpr_and_the_legend_says_why():
    plan = make_plan()
    built = made(plan, records_of(plan, language=0.49))
    assert {cell.text for cell in column(built, "RelaImpr").values()} == {"-", ""}
    assert entry(built, "single").values["relaimpr"] is None
    assert "AUC of the row or of language is 0.5 or below" in " ".join(built.caption)


def test_without_the_reference_there_is_no_relaimpr_column():
    plan = make_plan(models=["single", "multi"])
    assert "RelaImpr" not in [c.title for c in made(plan, records_of(plan)).columns]


def test_missing_runs_show_as_a_dash():
    plan = make_plan()
    built = made(plan, [None] * len(plan.runs))
    assert {cell.text for cell in column(built, "AUC").values()} == {"-"}
    assert entry(built, "single").values["status"] == "missing"


def test_an_auc_of_one_class_is_a_dash_with_a_reason():
    plan = make_plan()
    records = records_of(plan, multi=float("nan"))
    built = made(plan, records)
    assert column(built, "AUC")["multi"].text == "-"
    assert built.footnotes == ["No AUC: the test rows are all of one class."]
    assert entry(built, "multi").values["status"] == "done"


@pytest.mark.parametrize(("odd", "row"), [(0, "single"), (3, "multi"), (4, "language")])
def test_a_run_that_was_scored_on_other_rows_than_most_has_failed_and_the_others_show(odd, row):
    plan = make_plan()
    records = records_of(plan)
    records[odd].rows.test_hash["fashion"] = "other rows"
    built = made(plan, records)
    assert {name: cell.text for name, cell in column(built, "AUC").items()} == {
        name: "failed" if name == row else "0.6000" for name in ("single", "multi", "language")
    }
    (note,) = built.footnotes
    assert "its test rows of fashion are not those of the other runs, so it cannot be compared" in note
    assert f"`ctrbench results rm {records[odd].id}`" in note


def test_of_two_runs_on_different_rows_the_earlier_one_counts():
    plan = make_plan(models=["multi", "language"])
    records = records_of(plan)
    records[1].rows.test_hash["gift_cards"] = "other rows"
    assert [cell.text for cell in column(made(plan, records), "AUC").values()] == ["0.6000", "failed"]


def test_the_caption_says_what_the_numbers_are_worth():
    data = FakeData(synthetic=True)
    spec = table(profiles={"demo": {"note": "Small sizes."}}, notes=["A note."])
    plan = make_plan(spec=spec, data=data, seeds=[0, 1], limit=70)
    records = records_of(plan)
    records[-1].notes.append("random backbone")
    caption = "\n".join(made(plan, records).caption)
    for part in (
        "Dataset fake (ffffffffffff); synthetic: says nothing about real accuracy.",
        "Profile demo. Small sizes.",
        "seeds 0, 1 (mean ± standard deviation)",
        "(--limit 70)",
        "test fashion 50 (25 positive, guessing 0.5 ± 0.162), musical_instruments 50 (25 positive, ",
        "random backbone.",
        "A note.",
    ):
        assert part in caption


def test_what_runs_note_stands_with_their_rows_and_domains():
    plan = make_plan()
    records = records_of(plan)
    records[0].notes.append("Of 9 prompts, 2 were cut")
    records[1].notes.append("Of 8 prompts, 1 was cut.")
    for record in records[-2:]:
        record.notes.append("random backbone")
    caption = made(plan, records).caption
    several = "Of 9 prompts, 2 were cut (fashion); Of 8 prompts, 1 was cut (musical_instruments)"
    assert [line for line in caption if "cut" in line] == [f"single: {several}."]
    assert [line for line in caption if "random" in line] == ["multi, language: random backbone."]


def test_rows_that_were_not_asked_for_are_counted():
    plan = make_plan(models=["multi"])
    assert any(line.startswith("1 of the table's 3 rows;") for line in made(plan, records_of(plan)).caption)
    assert not any("--models" in line for line in made(make_plan(), records_of(make_plan())).caption)


def test_settings_that_were_asked_for_are_told_where_profile_and_rows_name_others():
    from ctrbench.bench.settings import parse_overrides

    plan = make_plan(overrides=parse_overrides(["single.train.epochs=7", "single.train.lr=0.5"]))
    told = [line for line in made(plan, records_of(plan)).caption if "--set" in line]
    assert told == ["Other than the table and its profile say (--set): single.train.epochs = 7, single.train.lr = 0.5."]
    usual = make_plan()
    assert not any("--set" in line for line in made(usual, records_of(usual)).caption)
