"""Counts of a dataset are those of its rows."""

import json

import polars as pl
import pytest

from ctrbench.bench.plan import plan
from ctrbench.bench.spec import TableSpec
from ctrbench.report.layouts.dataset_table import counts
from ctrbench.report.render import render
from ctrbench.report.tables import build
from tests.fakes import findings
from tests.toys import DOMAINS, write_toy


@pytest.fixture
def data(tmp_path):
    return write_toy(tmp_path / "toy")


def shown(data, **changes):
    raw = {"schema": 1, "title": "Counts", "kind": "dataset", "domains": list(DOMAINS), **changes}
    return build(findings(plan(TableSpec.model_validate(raw), data), [], data))


def test_counts_are_those_of_a_plain_count(data):
    rows = pl.concat([data.rows(split).with_columns(split=pl.lit(split)) for split in ("train", "valid", "test")])
    found = counts(data)
    assert list(found) == [*DOMAINS, "all"]
    for domain in DOMAINS:
        part = rows.filter(pl.col("domain") == domain)
        assert found[domain]["users"] == len(set(part["user"]))
        assert found[domain]["products"] == len(set(part["item"]))
        assert found[domain]["samples"] == len(part)
        assert found[domain]["label_rate"] == pytest.approx(sum(part["label"]) / len(part))
        assert [found[domain][s] for s in ("train", "valid", "test")] == [
            (part["split"] == s).sum() for s in ("train", "valid", "test")
        ]
    assert found["all"]["users"] == len(set(rows["user"])) < sum(found[d]["users"] for d in DOMAINS)
    assert found["all"]["samples"] == len(rows)


def test_published_counts_stand_beside(data):
    table = shown(data, published={"games": {"users": 5, "products": 6, "samples": 7}})
    row = json.loads(render(table, "json"))["rows"][1]
    assert row["domains"]["games"]["published_samples"] == 7
    assert [column.title for column in table.columns][:2] == ["here", "paper"]
    assert [cell.text for cell in table.rows[0].cells][1] == "-"
    assert [cell.text for cell in table.rows[1].cells][5] == "7"


def test_without_published_counts_there_is_no_column_for_them(data):
    assert "paper" not in {column.title for column in shown(data).columns}


def test_a_table_without_runs_says_nothing_of_training(data):
    assert not any("rained" in line for line in shown(data).caption)
    assert render(shown(data), "table").splitlines()[2].startswith("Domain")
