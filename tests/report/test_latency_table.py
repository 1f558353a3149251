"""The latency layout: means over runs, the machine, AUC lost, and budgets."""

import json
from dataclasses import replace

import pytest

from ctrbench.report import svg
from ctrbench.report.figures import latency
from ctrbench.report.findings import Findings
from ctrbench.report.tables import build
from tests.fakes import D3, FakeData, failed_record, make_plan, make_record, register_models, table

FP32 = "rows as they are, fp32"
PUBLISHED = {
    "language": {"ms_per_batch": 80, "ms_per_row": 2.5},
    "Budget of Section V-D": {"ms_per_row": 10},
    "Budget of Section VI-B": {"ms_per_row": 0.5},
}


@pytest.fixture(autouse=True)
def _models(monkeypatch):
    register_models(monkeypatch)


@pytest.fixture
def findings(tmp_path):
    plan = make_plan("latency", spec=table("latency", published=PUBLISHED))
    return Findings(plan, [make_record(run, {}) for run in plan.runs], tmp_path, FakeData())


def write(findings, row, p50=3.2, full=None, auc=0.7, half=0.7, late=2, **changes):
    """A file for each of the row's runs; of several, each is slower by one batch's time than the one before."""
    for place, run in enumerate(findings.plan.runs_of(row, 0), 1):
        folder = findings.folder(run)
        folder.path.mkdir(parents=True, exist_ok=True)
        kinds = {None: p50, **({} if full is None else {256: full})}
        timings = [
            {
                "precision": p,
                "length": length,
                "batches": 20,
                "p50_ms": place * ms * by,
                "p95_ms": place * ms * by * late,
            }
            for length, ms in kinds.items()
            for p, by in (("fp32", 1), ("bf16", 0.5))
        ]
        facts = {
            "schema": 1,
            "measured": "2026-11-22T00:00:00+00:00",
            "device": "cpu",
            "processor": "A Processor",
            "threads": 2,
            "torch": "2.13",
            "batch_size": 32,
            "weights": {"float32": 10},
            "timings": timings,
            "auc": {"fp32": dict.fromkeys(run.spec.domains, auc), "bf16": dict.fromkeys(run.spec.domains, half)},
        }
        folder.latency.write_text(json.dumps({**facts, **changes}))


def cells(findings, row):
    built = build(findings)
    heads = [(column.group, column.title) for column in built.columns]
    return dict(zip(heads, next(r for r in built.rows if r.name == row).cells, strict=True))


def entry(findings, row, domain=D3[0]):
    return next(e for e in build(findings).entries if (e.row, e.domain) == (row, domain))


def test_a_rows_times_are_those_per_batch_and_per_row(findings):
    write(findings, "language", 64.0, full=320.0)
    found = cells(findings, "language")
    assert found["rows as they are, fp32", "p50 ms"].value == 64
    assert found["rows as they are, fp32", "p95 ms"].value == 128
    assert found["rows as they are, fp32", "ms/row"].value == 2
    assert found["rows as they are, fp32", "rows/s"].value == 500
    assert found["256 tokens, bf16", "p50 ms"].value == 160
    assert found["paper", "ms"].text == "80"
    model = entry(findings, "language").model
    assert (model["fp32_p50_ms"], model["bf16_full_ms_per_row"], model["full_length"]) == (64, 5, 256)
    assert model["published_ms_per_row"] == 2.5
    assert model["processor"] == "A Processor"


def test_a_row_of_several_runs_is_their_mean(findings):
    write(findings, "single", 1.0)
    assert cells(findings, "single")["rows as they are, fp32", "p50 ms"].value == pytest.approx((1 + 2 + 3) / 3)


def test_a_model_that_reads_no_prompts_has_nothing_to_say_of_their_length(findings):
    write(findings, "language", full=5.0)
    write(findings, "multi")
    assert cells(findings, "multi")["256 tokens, fp32", "p50 ms"].text == ""


def test_auc_lost_is_what_half_precision_takes(findings):
    write(findings, "multi", auc=0.75, half=0.74)
    assert any("the AUC in fp32 minus that in bf16" in line for line in build(findings).caption)
    found = cells(findings, "multi")
    assert found["AUC lost by bf16", "mean"].text == "+0.01000"
    assert entry(findings, "multi").values["auc_lost"] == pytest.approx(0.01)


def test_the_quickest_is_marked(findings):
    write(findings, "multi", 1.0)
    write(findings, "language", 2.0)
    assert cells(findings, "multi")["rows as they are, fp32", "p50 ms"].style == "best"


def test_budgets_are_told_of_rows_as_they_are_and_of_full_prompts(findings):
    write(findings, "multi", 19.2)  # 0.6 ms per row, 0.3 in bf16
    write(findings, "language", 3.2, full=32.0)  # 1 ms per row, 0.5 in bf16
    caption = build(findings).caption
    both = "With rows as they are, fast enough: multi (fp32, bf16), language (fp32, bf16)."
    whole = "With full prompts, fast enough: language (fp32, bf16)."
    assert f"Budget of Section V-D, at most 10 ms per row, on this machine. {both} {whole}" in caption
    fewer = "With rows as they are, fast enough: multi (bf16), language (fp32, bf16); too slow: multi (fp32)."
    half = "With full prompts, fast enough: language (bf16); too slow: language (fp32)."
    assert f"Budget of Section VI-B, at most 0.5 ms per row, on this machine. {fewer} {half}" in caption
    assert any("A Processor, 2 threads" in line for line in caption)


def test_a_budget_that_nobody_keeps_is_said_in_words(findings):
    write(findings, "language", 3.2, full=640.0)
    said = "With full prompts, none is fast enough; too slow: language (fp32, bf16)."
    assert any(line.endswith(said) for line in build(findings).caption)


def test_times_that_can_only_be_noise_are_named(findings):
    write(findings, "multi", 3.2, late=2.5)
    write(findings, "language", 64.0, full=32.0)
    (noise,) = (line for line in build(findings).caption if "Noise" in line)
    late = "the p95 is more than 2 times the p50 of multi (rows as they are, fp32), multi (rows as they are, bf16)"
    slower = "rows as they are took longer than full prompts of language (fp32), language (bf16)"
    assert noise.startswith(f"Noise: {late}; {slower}. Measure these again")
    write(findings, "multi", 3.2)
    write(findings, "language", 32.0, full=64.0)
    assert not any("Noise" in line for line in build(findings).caption)


def test_what_ties_cost_is_said_where_half_precision_was_scored(findings):
    write(findings, "multi", auc=0.75, half=0.74)
    assert any("One pair of test rows is 0.002 of the AUC on fashion" in line for line in build(findings).caption)


def test_a_model_whose_row_is_left_out_is_no_budget(tmp_path):
    plan = make_plan("latency", spec=table("latency", published=PUBLISHED), models=["multi"])
    some = Findings(plan, [make_record(run, {}) for run in plan.runs], tmp_path, FakeData())
    write(some, "multi")
    built = build(some)
    assert not any("language" in line for line in built.caption)
    assert {column.group for column in built.columns} == {
        "rows as they are, fp32",
        "rows as they are, bf16",
        "AUC lost by bf16",
    }


def test_several_machines_are_not_to_be_compared(findings):
    write(findings, "multi")
    write(findings, "language", device="A GPU")
    assert any("several machines" in line for line in build(findings).caption)


def test_weights_in_half_precision_are_told(findings):
    write(findings, "language", weights={"float32": 1, "bfloat16": 9})
    assert "language holds weights of type bfloat16, in both precisions." in build(findings).caption


def test_what_was_not_measured_is_a_dash_and_a_broken_file_a_footnote(findings):
    write(findings, "multi")
    folder = findings.folder(findings.plan.runs_of("language", 0)[0])
    folder.path.mkdir(parents=True)
    folder.latency.write_text("broken")
    built = build(findings)
    assert cells(findings, "single")["rows as they are, fp32", "p50 ms"].text == "-"
    assert cells(findings, "language")["rows as they are, fp32", "p50 ms"].text == "failed"
    assert any("delete it" in note for note in built.footnotes)
    assert cells(findings, "multi")["rows as they are, fp32", "p50 ms"].text == "3.20"


def test_nothing_measured_at_all_makes_a_table_of_dashes(findings):
    assert cells(findings, "language")["AUC lost by bf16", "worst domain"].text == "-"


def test_the_figure_shows_the_tables_numbers(findings):
    """Of several runs their mean, also of the 95th percentiles; a run that failed has none."""
    write(findings, "single", 2.0)
    write(findings, "language", 64.0, full=320.0)
    chart = svg.spec(latency.draw(findings))
    found = {(line["row"], line["kind"]): line for lines in chart["datasets"].values() for line in lines}
    table = cells(findings, "single")
    one = found["single", "fp32, rows as they are"]
    assert (one["p50"], one["p95"]) == (table[FP32, "p50 ms"].value, table[FP32, "p95 ms"].value) == (4, 8)
    assert found["language", "bf16, 256 tokens"]["p50"] == 160
    for run in findings.plan.runs_of("language", 0):
        place = findings.plan.runs.index(run)
        failed = [
            failed_record(r) if i == place else record
            for i, (r, record) in enumerate(zip(findings.plan.runs, findings.records, strict=True))
        ]
        shown = svg.spec(latency.draw(replace(findings, records=failed)))
        assert "language (not measured)" in " ".join(shown["title"]["subtitle"])
