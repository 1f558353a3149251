"""Rows are compared with the reference on the same test rows, and the table says how sure it is."""

from statistics import fmean

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from ctrbench.bench.records import Target
from ctrbench.errors import DataError
from ctrbench.evaluation.significance import Placements, delong, holm
from ctrbench.report.claimed import claimed
from ctrbench.report.findings import Findings
from ctrbench.report.layouts.marks import UNTESTED
from ctrbench.report.predictions import scored
from ctrbench.report.significance import comparisons
from ctrbench.report.tables import build
from tests.fakes import register_models
from tests.scored import findings, truth
from tests.toys import DOMAINS

FIRST = DOMAINS[0]
GOOD_BAD = truth({"language": 3.0, "multi": 3.0, "single": 0.0})


@pytest.fixture(autouse=True)
def _models(monkeypatch):
    register_models(monkeypatch)


def line(frame, row, domain=FIRST):
    return frame.row(by_predicate=(pl.col("row") == row) & (pl.col("domain") == domain), named=True)


def predictions(found, row, domain=FIRST, seed=0):
    run = found.scores.run(next(m for m in found.plan.models if m.name == row), seed, domain)
    file = found.folder(run).predictions
    wanted = (pl.col("domain") == domain) & (pl.col("head") == "own")
    return file, pl.read_parquet(file).filter(wanted).sort("row_id")


def cells(table, title="AUC"):
    place = next(i for i, c in enumerate(table.columns) if (c.title, c.group) == (title, FIRST.title()))
    return {row.name: row.cells[place] for row in table.rows}


def entry(table, row, domain=FIRST):
    return next(e.values for e in table.entries if (e.row, e.domain) == (row, domain))


def test_with_one_seed_a_row_is_tested_by_delong_on_its_predictions(tmp_path):
    found = findings(tmp_path, GOOD_BAD)
    frame = comparisons(found)
    (_, of_reference), (_, of_row) = predictions(found, "language"), predictions(found, "single")
    label = of_row["label"].to_numpy()
    wanted = delong(*(Placements.of(label, one["logit"].to_numpy()) for one in (of_reference, of_row)))
    got = line(frame, "single")
    assert (got["difference"], got["p"]) == pytest.approx((wanted.value, wanted.p), rel=1e-9)
    assert (got["difference_ci_low"], got["difference_ci_high"]) == pytest.approx(wanted.interval, rel=1e-9)
    assert got["auc"] == pytest.approx(roc_auc_score(label, of_row["logit"]))
    assert 0 <= got["auc_ci_low"] < got["auc"] < got["auc_ci_high"] <= 1
    assert (got["test"], got["seeds"], got["fault"]) == ("delong", 1, None)


def test_the_reference_has_an_interval_and_no_difference(tmp_path):
    got = line(comparisons(findings(tmp_path, GOOD_BAD)), "language")
    assert got["auc_ci_low"] is not None
    assert [got[key] for key in ("difference", "p", "p_holm", "test", "fault")] == [None] * 5


def test_p_values_are_adjusted_for_all_comparisons_of_the_table(tmp_path):
    frame = comparisons(findings(tmp_path, GOOD_BAD)).drop_nulls("p")
    assert frame.height == 2 * len(DOMAINS)
    assert frame["p_holm"].to_list() == pytest.approx(holm(frame["p"].to_list()))


def without_runs(found, row):
    """The same table before a row is run."""
    runs = zip(found.plan.runs, found.records, strict=True)
    return Findings(found.plan, [None if run.row == row else record for run, record in runs], found.results, found.data)


def test_comparisons_that_are_still_to_be_made_count_so_that_none_loses_its_star_when_they_are(tmp_path):
    whole = findings(tmp_path, GOOD_BAD)
    frame = comparisons(without_runs(whole, "multi"))
    early = frame.filter(pl.col("row") == "single")
    assert early["p_holm"].to_list() == pytest.approx(
        holm([*early["p"].to_list(), *[1.0] * len(DOMAINS)])[: len(DOMAINS)]
    )
    assert frame.filter(pl.col("row") == "multi")["p_holm"].to_list() == [None] * len(DOMAINS)
    late = comparisons(whole).filter(pl.col("row") == "single")
    assert all(late["p_holm"] <= early["p_holm"])


def test_a_star_of_a_table_that_lacks_rows_says_so(tmp_path):
    whole = findings(tmp_path, GOOD_BAD)
    caption = " ".join(build(without_runs(whole, "multi")).caption)
    assert "language is significantly above the best other row of those that are there." in caption
    assert f"the table's {2 * len(DOMAINS)} comparisons" in caption
    assert "of those that are there" not in " ".join(build(whole).caption)


def test_claims_about_significance_are_the_same_whatever_metric_is_shown(tmp_path):
    claim = {"text": "It is.", "kind": "bound", "rows": ["single"], "value": "p_holm", "most": 0.05}

    def why(metric):
        found = findings(tmp_path / metric, GOOD_BAD, metric=metric, spec={"claims": [claim]})
        return [one.here.why for one in claimed(found, build(found))]

    assert why("auc") == why("gauc")
    assert "p_holm" in why("logloss")[0]


def test_several_seeds_are_tested_by_a_bootstrap_of_their_mean(tmp_path):
    found = findings(tmp_path, GOOD_BAD, seeds=[0, 1, 2])
    frame = comparisons(found)
    got = line(frame, "single")
    of_seeds = [predictions(found, "single", seed=seed)[1] for seed in (0, 1, 2)]
    assert got["auc"] == pytest.approx(fmean(roc_auc_score(one["label"], one["logit"]) for one in of_seeds))
    assert (got["test"], got["seeds"]) == ("bootstrap", 3)
    assert got["difference"] == pytest.approx(line(frame, "language")["auc"] - got["auc"])
    assert got["difference_ci_low"] > 0
    assert got["p_holm"] < 0.05 < line(frame, "multi")["p_holm"]


def test_the_noise_of_training_widens_what_several_seeds_say(tmp_path):
    steady = comparisons(findings(tmp_path / "a", truth({"single": 0.5}), seeds=[0, 1, 2]))
    shaky = comparisons(findings(tmp_path / "b", truth({"single": 0.5}, seed_noise=2.0), seeds=[0, 1, 2]))

    def width(frame):
        return (frame["difference_ci_high"] - frame["difference_ci_low"]).mean()

    assert width(shaky) > 1.5 * width(steady)


def test_a_star_says_that_the_reference_is_better_than_the_best_other_row_and_a_wave_that_a_row_is_level(tmp_path):
    level = cells(build(findings(tmp_path / "level", GOOD_BAD)))
    assert [level[row].text[6:] for row in ("single", "multi", "language")] == ["", "≈", ""]
    ahead = cells(build(findings(tmp_path / "ahead", truth({"language": 5.0, "multi": 0.2, "single": 0.1}))))
    assert [ahead[row].text[6:] for row in ("single", "multi", "language")] == ["", "", "*"]
    behind = cells(build(findings(tmp_path / "behind", truth({"language": 0.0, "multi": 5.0, "single": 0.1}))))
    assert behind["language"].text[6:] == behind["multi"].text[6:] == ""


@pytest.mark.parametrize("quality", [{"language": 3.0, "multi": 3.0}, {"language": 3.0, "multi": 0.0}])
def test_the_legend_explains_the_marks_that_there_are(tmp_path, quality):
    table = build(findings(tmp_path, truth({**quality, "single": 0.0})))
    texts = [cell.text for row in table.rows for cell in row.cells]
    for mark in "*≈":
        assert any(line.startswith(f"{mark}: ") for line in table.caption) is any(mark in text for text in texts)
    if quality["multi"] == 3.0:
        assert any("not to say equal: few rows tell little apart" in line for line in table.caption)


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ([0], ["DeLong's", "Of the noise of training it knows nothing"]),
        ([0, 1], ["paired bootstrap", "2,000 draws", "2 seeds"]),
    ],
)
def test_the_caption_names_the_test_its_correction_and_what_it_does_not_say(tmp_path, seeds, said):
    caption = " ".join(build(findings(tmp_path, GOOD_BAD, seeds=seeds)).caption)
    for part in (*said, "Holm", "6 comparisons with language"):
        assert part in caption


def test_of_a_row_with_one_seed_the_noise_of_training_is_said_to_be_unknown(tmp_path):
    found = findings(tmp_path, GOOD_BAD, seeds=[0, 1, 2])
    left_out = "where there is one seed alone, the noise of training is unknown, and left out"

    def said(lost):
        kept = [None if lost(run) else record for run, record in zip(found.plan.runs, found.records, strict=True)]
        caption = build(Findings(found.plan, kept, tmp_path / "results", found.data)).caption
        return next(text for text in caption if text.startswith("Test ("))

    assert left_out not in said(lambda run: False)
    some = said(lambda run: run.row == "multi" and run.spec.seed > 0)
    assert f"estimated from 3 seeds, which is few, and added; {left_out}." in some
    assert "from 2 to 3 seeds" in said(lambda run: run.row == "multi" and run.spec.seed == 0)
    assert said(lambda run: run.spec.seed > 0).endswith(f"draws of test rows; {left_out}.")


def test_exports_hold_intervals_and_p_values(tmp_path):
    found = findings(tmp_path, GOOD_BAD)
    wanted, values = line(comparisons(found), "single"), entry(build(found), "single")
    for key in ("auc_ci_low", "auc_ci_high", "difference", "difference_ci_low", "difference_ci_high", "p", "p_holm"):
        assert values[key] == wanted[key]
    assert (values["test"], values["untested"]) == ("delong", None)


def spoil_missing(file, frame):
    file.unlink()


def spoil_garbage(file, frame):
    file.write_bytes(b"PAR1 no parquet")


def spoil_columns(file, frame):
    pl.read_parquet(file).drop("logit").write_parquet(file)


def spoil_rows(file, frame):
    pl.read_parquet(file).head(10).write_parquet(file)


def spoil_values(file, frame):
    pl.read_parquet(file).with_columns(-pl.col("logit")).write_parquet(file)


def spoil_nan(file, frame):
    pl.read_parquet(file).with_columns(pl.lit(float("nan")).alias("logit")).write_parquet(file)


def spoil_null(file, frame):
    pl.read_parquet(file).with_columns(pl.lit(None, pl.Float32).alias("logit")).write_parquet(file)


def spoil_row_ids(file, frame):
    pl.read_parquet(file).with_columns(pl.col("row_id") + 1).write_parquet(file)


def spoil_infinite(file, frame):
    """The rows' order, and so the AUC, stays as it was."""
    highest = frame["logit"].max()
    changed = pl.when(pl.col("logit") == highest).then(float("inf")).otherwise(pl.col("logit")).cast(pl.Float32)
    pl.read_parquet(file).with_columns(changed.alias("logit")).write_parquet(file)


def spoil_labels(file, frame):
    """Rows and labels are exchanged together: as many positives, and the same AUC, on other rows."""
    pl.read_parquet(file).with_columns(pl.col("row_id").reverse().over("domain", "head")).write_parquet(file)


SPOILT = [
    *(spoil_missing, spoil_garbage, spoil_columns, spoil_rows, spoil_values, spoil_nan, spoil_null),
    *(spoil_row_ids, spoil_infinite, spoil_labels),
]


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_row_whose_predictions_cannot_be_used_is_not_tested_and_all_else_stands(tmp_path, spoil):
    found = findings(tmp_path, GOOD_BAD)
    spoil(*predictions(found, "multi"))
    table = build(found)
    row = cells(table)
    assert row["multi"].text == f"{row['multi'].value:.4f}"
    assert [table.footnotes[number - 1] for number in row["multi"].footnotes] == table.footnotes
    assert len(table.footnotes) == 1
    assert "ctrbench results rm" in table.footnotes[0]
    values = entry(table, "multi")
    assert values["p"] is None
    assert "results rm" in values["untested"]
    assert entry(table, "single")["p"] is not None
    assert row["single"].footnotes == []


def test_the_references_rows_decide_which_ones_the_others_have_to_be(tmp_path):
    found = findings(tmp_path, GOOD_BAD)
    spoil_row_ids(*predictions(found, "single"))
    frame = comparisons(found)
    assert [line(frame, row)["fault"] is None for row in ("single", "multi", "language")] == [False, True, True]


def test_an_interval_of_an_auc_ends_at_1(tmp_path):
    """One negative row stands among the positive ones, and all else is right."""

    def logits(run, head, rows):
        label = rows["label"].to_numpy()
        return label + 2.0 * (np.arange(len(label)) == np.flatnonzero(label == 0)[0])

    found = comparisons(findings(tmp_path, logits, rows=60))
    assert found["auc_ci_high"].max() == 1.0


@pytest.mark.parametrize("spoil", [spoil_missing, spoil_row_ids])
def test_without_the_references_predictions_there_are_intervals_but_no_tests(tmp_path, spoil):
    found = findings(tmp_path, GOOD_BAD)
    spoil(*predictions(found, "language"))
    table = build(found)
    assert {cell.text[6:] for cell in cells(table).values()} == {""}
    assert entry(table, "single")["p"] is None
    assert entry(table, "single")["untested"]
    assert "Not tested for significance" in " ".join(table.caption)


def test_records_alone_still_make_the_table_and_one_sentence_says_what_is_missing(tmp_path):
    found = findings(tmp_path, GOOD_BAD)
    for file in (tmp_path / "results").rglob("predictions.parquet"):
        file.unlink()
    table = build(found)
    assert all(cell.value is not None for cell in cells(table).values())
    said = [text for text in table.caption if "Not tested for significance" in text]
    assert len(said) == 1
    assert "There are 4 more like this" in said[0]
    assert table.footnotes == []


def test_rows_of_one_class_are_counted_though_they_have_no_auc(tmp_path):
    found = findings(tmp_path, GOOD_BAD)
    _, frame = predictions(found, "multi")
    run = found.scores.run(found.plan.models[1], 0, FIRST)
    target = Target("test", FIRST, "own")
    found.scores.metric(run, target).auc = None
    found.scores.metric(run, target).rows = frame.height + 1
    with pytest.raises(DataError, match="not what its record was made of"):
        scored(found, run, target)


def test_missing_and_failed_seeds_leave_the_others_to_be_compared(tmp_path):
    found = findings(tmp_path, GOOD_BAD, seeds=[0, 1])
    gone = {run.spec.id for run in found.plan.runs if run.row == "multi" and run.spec.seed == 1}
    kept = [None if record.id in gone else record for record in found.records]
    frame = comparisons(Findings(found.plan, kept, found.results, found.data))
    assert line(frame, "multi")["seeds"] == 1
    assert line(frame, "multi")["p"] is not None


def test_a_table_without_its_reference_has_intervals_only(tmp_path):
    frame = comparisons(findings(tmp_path, GOOD_BAD, models=["single", "multi"]))
    assert frame["auc_ci_low"].null_count() == 0
    assert frame["p"].null_count() == frame.height


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_rows_without_variation_to_judge_by_are_not_tested(tmp_path, seeds):
    found = findings(
        tmp_path, lambda run, head, rows: rows["label"].to_numpy() * (run.row == "language") + 0.0, seeds=seeds
    )
    table = build(found)
    assert entry(table, "single")["p"] is None
    assert "no variation" in " ".join([*table.footnotes, *table.caption])


def test_what_was_not_scored_is_neither_compared_nor_at_fault(tmp_path):
    found = findings(tmp_path, GOOD_BAD)
    frame = comparisons(Findings(found.plan, [None] * len(found.records), found.results, found.data))
    assert frame.select("auc", "p", "fault").null_count().row(0) == (frame.height,) * 3


def test_predictions_are_read_once_for_one_report(tmp_path, monkeypatch):
    found = findings(tmp_path, GOOD_BAD)
    first = comparisons(found)
    for file in (tmp_path / "results").rglob("predictions.parquet"):
        file.unlink()
    assert comparisons(found) is first


def test_a_table_without_a_reference_says_that_nothing_is_tested(tmp_path):
    found = findings(tmp_path, GOOD_BAD, spec={"reference": ""})
    assert UNTESTED in build(found).caption
    assert UNTESTED not in build(findings(tmp_path / "with", GOOD_BAD)).caption


@pytest.mark.parametrize("kind", ["main", "new_domain"])
def test_a_table_whose_reference_is_not_asked_for_says_that_nothing_is_tested(tmp_path, kind):
    said = "Not tested for significance: the reference, language, is not among these rows."
    assert said in build(findings(tmp_path, GOOD_BAD, kind=kind, models=["single", "multi"])).caption
    assert said not in build(findings(tmp_path / "one", GOOD_BAD, kind=kind, models=["single"])).caption
    assert said not in build(findings(tmp_path / "all", GOOD_BAD, kind=kind)).caption
