import csv
import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from ctrbench.report.grid import count
from ctrbench.report.render import render
from ctrbench.report.tables import build
from ctrbench.report.terminal import to_terminal, without_repeats
from tests.fakes import D3, failed_record, findings, make_plan, make_record, register_models, table

AUC = {"single": 0.612345678, "multi": 0.63, "language": 0.7}


@pytest.fixture
def built(monkeypatch):
    register_models(monkeypatch)
    spec = table(published={name: dict.fromkeys(D3, 0.65) for name in AUC})
    plan = make_plan(spec=spec, seeds=[0, 1])
    records = [
        make_record(run, {(d, "own"): AUC[run.spec.model] + run.spec.seed / 1000 for d in run.spec.domains})
        for run in plan.runs
    ]
    return build(findings(plan, records))


def shown(built, width):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    to_terminal(built, console)
    return console.file.getvalue()


def test_three_domains_with_all_columns_fit_in_120(built):
    grid = shown(built, 120).splitlines()[1:]
    assert max(len(line) for line in grid[:10]) <= 120
    assert sum("Model" in line for line in grid) == 1


@pytest.mark.parametrize("width", [100, 80, 40])
def test_what_does_not_fit_beside_stands_below(built, width):
    text = shown(built, width)
    assert text.count("Model") > 1
    for title in ("Fashion", "Musical Instruments", "Gift Cards", "Cost"):
        assert title in text
    assert "…" not in text


def test_numbers_stand_below_each_other(built):
    lines = [line for line in shown(built, 120).splitlines() if line.startswith(("single", "multi"))]
    assert len({line.index("0.6") for line in lines}) == 1


def test_of_several_tables_each_says_only_what_none_above_has_said(built):
    other = replace(built, caption=[*built.caption, "and this"])
    first, second, third = without_repeats([built, other, replace(built, caption=["all new"])])
    assert first.caption == built.caption
    assert second.caption == ["and this", "Else as said above."]
    assert third.caption == ["all new"]


def test_markdown_has_best_in_bold_and_second_underlined(built):
    lines = render(built, "md").splitlines()
    row = {line.split(" | ")[0]: line for line in lines if line.startswith("| ")}
    assert "| **0.7005** (±0.0007) |" in row["| language"]
    assert "| <u>0.6305</u> (±0.0007) |" in row["| multi"]
    assert len({line.count("|") for line in row.values()}) == 1


def test_csv_has_one_row_per_model_and_domain_in_full_precision(built):
    rows = list(csv.DictReader(io.StringIO(render(built, "csv"))))
    assert [(row["model"], row["domain"]) for row in rows] == [(m, d) for m in AUC for d in D3]
    assert float(rows[0]["auc"]) == (0.612345678 + 0.613345678) / 2
    assert rows[-1]["relaimpr"] == ""


def test_json_is_nested_by_model_and_domain_and_has_the_caption(built):
    whole = json.loads(render(built, "json"))
    assert [row["model"] for row in whole["rows"]] == list(AUC)
    assert set(whole["rows"][0]["domains"]) == set(D3)
    assert whole["rows"][0]["domains"]["fashion"]["published_auc"] == 0.65
    assert whole["caption"] == built.caption
    assert whole["seeds"] == [0, 1]


def test_a_failed_run_is_marked_in_every_format(monkeypatch):
    register_models(monkeypatch)
    plan = make_plan()
    built = build(findings(plan, [failed_record(run, "a | b") for run in plan.runs]))
    assert "failed¹" in render(built, "table")
    assert "a \\| b" in render(built, "md")
    assert all(row["status"] == "failed" for row in csv.DictReader(io.StringIO(render(built, "csv"))))
    assert len(json.loads(render(built, "json"))["footnotes"]) == 5


@pytest.mark.parametrize(
    ("number", "text"),
    [
        *[(None, "-"), (0, "0"), (950, "950"), (999.6, "1.0K"), (1234, "1.2K"), (66_400_000, "66.4M")],
        *[(123_456_789, "123M"), (1.3e9, "1.3B"), (5e12, "5000B")],
    ],
)
def test_counts_are_short(number, text):
    assert count(number) == text
