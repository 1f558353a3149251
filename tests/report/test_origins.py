"""A table whose rows come from different code or machines says so."""

import pytest

from ctrbench.report.layouts.origins import origins
from ctrbench.report.scores import Scores
from tests.fakes import failed_record, make_plan, make_record, register_models


@pytest.fixture(autouse=True)
def _models(monkeypatch):
    register_models(monkeypatch)


def provenance(**changes):
    plugin = {"distribution": "ctrbench", "version": "0.1.0"}
    usual = {"ctrbench": "0.1.0", "plugin": plugin, "packages": {"torch": "2.5", "peft": None}, "device": "cpu"}
    return {**usual, **changes}


def told(changes, fail=False):
    """The lines of a table whose last row, `language`, was made otherwise."""
    plan = make_plan()
    records = [make_record(run, {}, provenance=provenance()) for run in plan.runs[:-1]]
    last = failed_record(plan.runs[-1]) if fail else make_record(plan.runs[-1], {})
    last.provenance = provenance(**changes)
    return origins(Scores(plan, [*records, last]))


def test_rows_of_one_origin_need_no_word():
    assert told({}) == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"ctrbench": "0.2.0", "plugin": {"distribution": "other", "version": "7"}},
            "Rows were made with different versions of ctrbench: 0.1.0 (single, multi); 0.2.0 (language).",
        ),
        (
            {"packages": {"torch": "2.6", "peft": "0.1"}},
            "Rows were made with different versions of torch: 2.5 (single, multi); 2.6 (language).",
        ),
        (
            {"device": "NVIDIA H200"},
            "Rows differ in device, so their costs do not compare: NVIDIA H200 (language); cpu (single, multi).",
        ),
    ],
)
def test_what_differs_is_named_with_its_rows(changes, line):
    assert told(changes) == [line]


def test_a_plugin_of_two_versions_is_named():
    plan = make_plan(seeds=[0, 1], models=["language"])
    records = [
        make_record(run, {}, provenance=provenance(plugin={"distribution": "theirs", "version": version}))
        for run, version in zip(plan.runs, ("1", "2"), strict=True)
    ]
    assert origins(Scores(plan, records)) == [
        "Rows were made with different versions of theirs: 1 (language); 2 (language)."
    ]


def test_a_plugin_of_a_backbone_counts_as_well():
    plan = make_plan(seeds=[0, 1], models=["language"])
    records = [
        make_record(run, {}, provenance=provenance(backbones={"b": {"distribution": "theirs", "version": version}}))
        for run, version in zip(plan.runs, ("1", "2"), strict=True)
    ]
    assert origins(Scores(plan, records)) == [
        "Rows were made with different versions of theirs: 1 (language); 2 (language)."
    ]


def test_failed_runs_have_no_part_in_it():
    assert told({"ctrbench": "0.2.0"}, fail=True) == []


def test_records_that_say_nothing_of_it_are_fine():
    plan = make_plan()
    assert origins(Scores(plan, [make_record(run, {}) for run in plan.runs])) == []
