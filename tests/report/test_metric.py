"""Any metric of a table comes from its stored predictions, for all models on the same rows."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from ctrbench.evaluation.calibration import calibration_error
from ctrbench.report.details import metric_frame
from ctrbench.report.findings import Findings
from ctrbench.report.layouts.metrics import OF_THE_AUC, few_rows
from ctrbench.report.measures import MEASURES
from ctrbench.report.tables import build
from tests.fakes import register_models
from tests.scored import findings, truth
from tests.toys import DOMAINS

FIRST = DOMAINS[0]
LOGITS = truth({"single": 0.3, "multi": 1.0, "language": 2.0})


@pytest.fixture(autouse=True)
def _models(monkeypatch):
    register_models(monkeypatch)


def value(frame, row, metric, domain=FIRST, head="own", seed=0):
    wanted = {"row": row, "metric": metric, "domain": domain, "head": head, "seed": seed}
    found = frame.filter(**wanted)
    assert found.height == 1
    return found["value"].item(), found["rows"].item()


def joined(found, row, domain=FIRST):
    """A run's predictions beside the rows that they are of."""
    run = found.scores.run(next(m for m in found.plan.models if m.name == row), 0, domain)
    scored = pl.read_parquet(found.folder(run).predictions).filter(domain=domain, head="own", split="test")
    rows = found.data.rows("test", (domain,)).select("row_id", "user", "item")
    return scored.join(rows, on="row_id", maintain_order="left")


def test_every_metric_of_every_scored_run_is_in_the_frame(tmp_path):
    found = findings(tmp_path, LOGITS, seeds=[0, 1])
    frame = metric_frame(found)
    assert frame.height == 3 * 2 * len(DOMAINS) * len(MEASURES)
    assert set(frame["metric"]) == set(MEASURES)


def test_metrics_are_those_of_the_predictions(tmp_path):
    found = findings(tmp_path, LOGITS)
    frame, rows = metric_frame(found), joined(found, "single")
    label, logit = rows["label"].to_numpy(), rows["logit"].to_numpy()
    wanted = {
        "auc": roc_auc_score(label, logit),
        "logloss": log_loss(label, 1 / (1 + np.exp(-logit.astype(float)))),
        "pr_auc": average_precision_score(label, logit),
        "ece": calibration_error(label, logit),
    }
    for metric, expected in wanted.items():
        assert value(frame, "single", metric) == (pytest.approx(expected), len(label))


def test_gauc_is_within_the_datasets_users(tmp_path):
    found = findings(tmp_path, LOGITS)
    users = [part for _, part in joined(found, "multi").group_by("user") if part["label"].n_unique() == 2]
    aucs = [roc_auc_score(part["label"], part["logit"]) for part in users]
    rows = [part.height for part in users]
    assert value(metric_frame(found), "multi", "gauc") == (pytest.approx(np.average(aucs, weights=rows)), sum(rows))


def test_cold_is_what_no_training_domain_has_for_single_domain_models_too(tmp_path):
    found = findings(tmp_path, LOGITS, train=14)
    train = found.data.rows("train")
    elsewhere = train.filter(pl.col("domain") != FIRST)
    rows = joined(found, "single").with_columns(
        cold_user=~pl.col("user").is_in(train["user"].to_list()),
        cold_item=~pl.col("item").is_in(train["item"].to_list()),
    )
    assert rows.filter(pl.col("user").is_in(elsewhere["user"].to_list())).height
    parts = {
        "auc_cold_users": rows.filter("cold_user"),
        "auc_cold_items": rows.filter("cold_item"),
        "auc_warm": rows.filter(~pl.col("cold_user") & ~pl.col("cold_item")),
    }
    frame = metric_frame(found)
    for metric, part in parts.items():
        assert 0 < part.height < rows.height
        assert value(frame, "single", metric) == (
            pytest.approx(roc_auc_score(part["label"], part["logit"])),
            part.height,
        )
        assert value(frame, "multi", metric)[1] == part.height


def test_without_cold_rows_there_is_a_dash_and_the_reason(tmp_path):
    table = build(findings(tmp_path, LOGITS, train=3000, metric="auc_cold_users"))
    assert {cell.text for row in table.rows for cell in row.cells[:1]} == {"-"}
    assert table.footnotes == [MEASURES["auc_cold_users"].undefined]
    assert any("over test rows of" in text and f"{FIRST} 0 of" in text for text in table.caption)


@pytest.mark.parametrize("kind", ["main", "zero_shot", "new_domain"])
def test_below_a_number_stands_over_how_few_rows_it_is(tmp_path, kind):
    found = findings(tmp_path, LOGITS, kind=kind, metric="auc_cold_users", train=40)
    domain, head = (FIRST, "own") if kind == "main" else (DOMAINS[-1], "general" if kind == "zero_shot" else "own")
    rows = value(metric_frame(found), "language", "auc_cold_users", domain, head)[1]

    def below(shown):
        row = next(row for row in build(shown).rows if row.name == "language")
        return [line for line in row.cells[0].detail.splitlines() if "rows" in line]

    assert below(found) == [f"{rows}/{found.scores.test_rows(domain)} rows"]
    assert below(replace(found, metric="gauc")) == []  # of most rows
    assert below(replace(found, metric="ece")) == []


@pytest.mark.parametrize("kind", ["main", "new_domain"])
def test_guessing_is_not_marked_as_best_and_of_other_metrics_nothing_is_guessing(tmp_path, kind):
    """Two models that are wrong on purpose, of which the better one would be marked as second."""
    found = findings(tmp_path, truth({"single": -2.0, "multi": -4.0, "language": 4.0}), kind=kind)
    said = "Nothing at or below 0.5 is marked as best or second: that is no better than guessing."
    auc, loss = build(found), build(replace(found, metric="logloss"))
    assert [row.cells[0].style for row in auc.rows[:3]] == ["", "", "best"]
    assert said in auc.caption
    assert sorted(row.cells[0].style for row in loss.rows[:3]) == ["", "best", "second"]
    assert said not in loss.caption


def test_half_of_the_rows_are_not_few(tmp_path, monkeypatch):
    found = findings(tmp_path, LOGITS, metric="gauc")
    every = found.scores.test_rows(FIRST)
    less = (every - 1) // 2
    for rows, said in ((less + 1, ""), (less, f"{less}/{every} rows")):
        monkeypatch.setattr("ctrbench.report.layouts.metrics.rows_of", lambda *asked, of=rows: {FIRST: of})
        assert few_rows(found, MEASURES["gauc"], FIRST) == said
    assert few_rows(found, MEASURES["gauc"], "elsewhere") == ""


def test_where_nothing_is_run_nothing_is_said_of_how_many_rows_a_metric_is_over(tmp_path):
    found = findings(tmp_path, LOGITS, metric="gauc")
    none = Findings(found.plan, [None] * len(found.records), found.results, found.data, "gauc")
    assert any("over test rows of" in line for line in build(found).caption)
    assert not any("over test rows of" in line for line in build(none).caption)


def test_a_chosen_metric_stands_alone_and_its_best_is_marked(tmp_path):
    table = build(findings(tmp_path, LOGITS, metric="pr_auc"))
    groups = [(column.group, column.title) for column in table.columns if column.group != "Cost"]
    assert groups == [(domain.title(), "PR-AUC") for domain in DOMAINS]
    assert [row.name for row in table.rows] == ["single", "multi", "language"]
    best = max(table.rows, key=lambda row: row.cells[0].value)
    assert best.cells[0].style == "best"
    assert MEASURES["pr_auc"].legend in table.caption
    assert "RelaImpr" not in " ".join(table.caption)


@pytest.mark.parametrize("metric", ["logloss", "ece"])
def test_of_losses_the_lowest_is_best(tmp_path, metric):
    table = build(findings(tmp_path, LOGITS, metric=metric))
    ordered = sorted(table.rows, key=lambda row: row.cells[0].value)
    assert [row.cells[0].style for row in ordered] == ["best", "second", ""]


@pytest.mark.parametrize("kind", ["main", "zero_shot"])
def test_a_title_names_the_metric_that_is_shown(tmp_path, kind):
    def titled(title, metric):
        spec = {"title": title}
        return build(findings(tmp_path / f"{title} {metric}", LOGITS, kind=kind, metric=metric, spec=spec)).title

    assert titled("Table: test AUC per domain", "auc") == "Table: test AUC per domain"
    assert titled("Table: test AUC per domain", "all") == "Table: test AUC per domain"
    assert titled("Table: test AUC per domain", "logloss") == "Table: test logloss per domain"
    assert titled("Models", "auc_warm") == "Models: AUC on warm rows"


def test_beside_another_metric_it_is_said_that_tests_are_of_the_auc(tmp_path):
    said = "Significance tests and their marks are of the AUC: --metric auc shows them."
    found = findings(tmp_path, LOGITS, metric="ece")
    assert said in build(found).caption
    assert said not in build(replace(found, metric="auc")).caption


def test_over_seeds_a_metric_has_mean_and_deviation(tmp_path):
    found = findings(tmp_path, LOGITS, seeds=[0, 1], metric="gauc")
    frame = metric_frame(found)
    values = [value(frame, "multi", "gauc", seed=seed)[0] for seed in (0, 1)]
    cell = build(found).rows[1].cells[0]
    assert cell.value == pytest.approx(np.mean(values))
    assert cell.detail == f"±{np.std(values, ddof=1):.4f}"


@pytest.mark.parametrize(("metric", "more"), [("auc", set()), ("all", set(MEASURES)), ("ece", set(MEASURES))])
def test_exports_hold_auc_and_logloss_always_and_all_metrics_when_asked(tmp_path, metric, more):
    found = findings(tmp_path, LOGITS, metric=metric)
    values = next(e.values for e in build(found).entries if e.row == "single")
    assert set(MEASURES) & set(values) == more | {"auc", "logloss"}
    for name in more | {"auc", "logloss"}:
        assert values[name] == pytest.approx(value(metric_frame(found), "single", name)[0], nan_ok=True)


def test_beside_a_metric_without_a_value_the_seeds_are_those_of_the_auc(tmp_path):
    found = findings(tmp_path, LOGITS, metric="auc_cold_users", seeds=[0, 1])
    values = build(found).entries[0].values
    assert (values["auc_cold_users"], values["seeds"]) == (None, 2)
    assert values["auc_std"] is not None


def test_a_new_domain_has_any_metric_too_and_its_tests_stay_those_of_the_auc(tmp_path):
    found = findings(tmp_path, LOGITS, kind="new_domain", metric="logloss")
    table, usual = build(found), build(replace(found, metric="auc"))
    frame, target = metric_frame(found), DOMAINS[-1]
    assert [c.title for c in table.columns if c.group == target.title()] == ["logloss"]
    assert [c.title for c in usual.columns if c.group == target.title()] == ["AUC", "RelaImpr"]
    for row in table.rows:
        assert row.cells[0].value == pytest.approx(value(frame, row.name, "logloss", target)[0])
    lowest = min(table.rows, key=lambda row: row.cells[0].value)
    assert lowest.cells[0].style == "best"
    assert OF_THE_AUC in table.caption
    for entry, other in zip(table.entries, usual.entries, strict=True):
        assert {key: entry.values[key] for key in ("auc", "p", "p_holm", "logloss")} == {
            key: other.values[key] for key in ("auc", "p", "p_holm", "logloss")
        }
        assert set(MEASURES) <= set(entry.values)


def test_unreadable_predictions_fail_one_cell_of_a_metric_and_no_other(tmp_path):
    found = findings(tmp_path, LOGITS, metric="gauc")
    run = found.scores.run(found.plan.models[0], 0, FIRST)
    found.folder(run).predictions.unlink()
    table = build(found)
    assert [cell.text == "failed" for cell in table.rows[0].cells[: len(DOMAINS)]] == [True, False, False]
    assert "cannot be read" in table.footnotes[0]
    assert [row.cells[0].text for row in table.rows[1:]] != ["failed", "failed"]
    assert metric_frame(found).filter(row="single", domain=FIRST).height == 0


def test_other_rows_than_the_datasets_are_told(tmp_path):
    found = findings(tmp_path, LOGITS, metric="gauc")
    for file in (tmp_path / "results").rglob("predictions.parquet"):
        pl.read_parquet(file).with_columns(pl.col("row_id") + 1).write_parquet(file)
    table = build(found)
    assert {cell.text for row in table.rows for cell in row.cells[: len(DOMAINS)]} == {"failed"}
    assert "other test rows" in table.footnotes[0]


def test_zero_shot_picks_heads_by_the_metric_that_is_shown(tmp_path):
    found = findings(tmp_path, LOGITS, kind="zero_shot", metric="logloss")
    table, target = build(found), DOMAINS[-1]
    frame = metric_frame(found)
    heads = [value(frame, "multi", "logloss", target, head)[0] for head in DOMAINS[:-1]]
    row = next(row for row in table.rows if row.name == "multi")
    best, _, worst = (cell.value for cell in row.cells[:3])
    assert (best, worst) == pytest.approx((min(heads), max(heads)))
    assert table.columns[0].lower_is_better
    assert table.columns[0].group == f"{target.title()}: logloss"
    values = next(e.values for e in table.entries if e.row == "multi")
    assert values["best_logloss"] == pytest.approx(min(heads))
    assert math.isfinite(values["best_auc"])


def test_zero_shot_heads_have_every_metric(tmp_path):
    found = findings(tmp_path, LOGITS, kind="zero_shot", metric="all")
    values = next(e.values for e in build(found).entries if e.row == "language")
    for metric in ("ece", "gauc", "pr_auc"):
        assert values[f"best_{metric}"] == value(metric_frame(found), "language", metric, DOMAINS[-1], "general")[0]
