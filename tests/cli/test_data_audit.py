"""`ctrbench data audit`, and the options of the preparation on every verb that may prepare a dataset."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from ctrbench.cli import main

DEMO = ["-o", "scale=0.1"]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTRBENCH_CACHE", str(tmp_path / "cache"))


def audited(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> str:
    assert main(["data", "audit", *map(str, words)]) == code
    return capsys.readouterr().out


def test_each_check_is_a_line_and_the_demo_passes(capsys: pytest.CaptureFixture[str]) -> None:
    lines = audited(capsys, "demo", *DEMO).splitlines()
    assert lines[0].startswith("demo, fingerprint ")
    assert lines[0].endswith("split time: 13 checks, none fails")
    checks = [line for line in lines[1:] if not line.startswith(" ")]
    assert len(checks) == 13
    assert all(line.startswith(("holds", "allowed")) for line in checks)


def test_damage_is_exit_code_1_and_names_rows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["data", "prepare", "demo", *DEMO, "--out", str(out)]) == 0
    test = pl.read_parquet(out / "test.parquet")
    test.with_columns(time=pl.col("time") - 10**9).write_parquet(out / "test.parquet")
    capsys.readouterr()
    told = audited(capsys, out, code=1)
    assert "\nfails    train precedes valid precedes test in every domain: " in told
    assert "\n         row_id " in told
    whole = json.loads(audited(capsys, out, "--format", "json", code=1))
    assert {check["result"] for check in whole["checks"]} >= {"holds", "fails"}
    table = audited(capsys, out, "--format", "md", code=1)
    assert table.count("\n| fails | ") == sum(check["result"] == "fails" for check in whole["checks"])


def test_a_global_cut_off_and_derived_domains_may_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    told = audited(capsys, "demo", *DEMO, "--global-cutoff", "--domain-by", "new_user", "-o", "new_user_rows=1")
    assert "split global_time: 13 checks, none fails" in told.splitlines()[0]
    assert "new_users: train" in told
    assert "holds    no training row's history shows another domain's items" in told


def test_a_table_may_be_run_either_way(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["table3", *DEMO, "--models", "deepfm", "--results", str(tmp_path / "results"), "-q"]
    usual, split, derived = (
        "\n".join(json.loads(_shown(capsys, *words, *options))["caption"])
        for options in ((), ("--global-cutoff",), ("--domain-by", "new_user", "-o", "new_user_rows=1"))
    )
    assert "Split" not in usual
    assert "Split: all domains at the same two moments (--global-cutoff); the paper cuts each at its own." in split
    assert "Domains: derived (--domain-by new_user), a surrogate" in derived
    assert "Split: at random" in _shown(capsys, *words, "--split", "random")


def _shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["show", *words, "--format", "json"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("verb", [["show", "table3", "--dataset"], ["check", "table3", "--dataset"], ["data", "audit"]])
def test_a_prepared_folder_must_have_the_cut_off_that_is_asked_for(
    verb: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert main(["data", "prepare", "demo", *DEMO, "--out", str(out)]) == 0
    capsys.readouterr()
    assert main([*verb, str(out), "--global-cutoff"]) == 2
    said = capsys.readouterr().err
    assert "was prepared with split=time, not split=global_time: prepare another with" in said
    assert "`ctrbench data prepare demo … -o split=global_time --out DIR`" in said
    assert said.count("\n") == 1


def test_two_values_for_one_option_are_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "audit", "demo", "--split", "random", "--global-cutoff"]) == 2
    assert "split is given twice, as random and as global_time: leave one out" in capsys.readouterr().err
