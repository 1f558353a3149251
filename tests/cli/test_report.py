import argparse
import re
import shlex
from html import unescape

import pytest

from ctrbench.cli import jobs, main, options
from tests.fakes import fake_world

THREE = ("table3", "--models", "deepfm,mmoe,uni_ctr")


@pytest.fixture(autouse=True)
def _world(monkeypatch, tmp_path):
    fake_world(monkeypatch, tmp_path)
    monkeypatch.setattr("ctrbench.report.figures.FIGURES", {})  # no predictions are there to be drawn


def tables(tmp_path):
    return {path.stem for path in (tmp_path / "site/tables").glob("*.html")}


def test_a_report_shows_the_tables_that_are_named_and_trains_nothing(tmp_path, capsys):
    assert main(["run", *THREE]) == 0
    before = sorted(tmp_path.glob("results/*/*/*"))
    capsys.readouterr()
    assert main(["report", "table3", "--out", "site"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "wrote site/index.html" in err
    assert tables(tmp_path) == {"table3"}
    assert sorted(tmp_path.glob("results/*/*/*")) == before
    assert "2 failed" not in (tmp_path / "site/index.html").read_text("utf-8")


SPEC = """
schema = 1
title = "A table"
kind = "main"
domains = ["fashion", "musical_instruments"]
models = ["{model}"]
profiles.demo.dataset = "demo"
"""


@pytest.fixture
def two_tables(tmp_path, monkeypatch):
    """No other table is installed than `deepfm_table` and `mmoe_table`."""
    files = [tmp_path / f"{model}_table.toml" for model in ("deepfm", "mmoe")]
    for file in files:
        file.write_text(SPEC.format(model=file.stem.removesuffix("_table")))
    monkeypatch.setattr("ctrbench.bench.catalog.files", lambda plugin: files)


def test_without_a_name_it_shows_every_table_of_which_there_is_a_record(tmp_path, two_tables):
    assert main(["run", "deepfm_table"]) == 0
    assert main(["report", "--out", "site", "-q"]) == 0
    assert tables(tmp_path) == {"deepfm_table"}
    assert "mmoe_table: no run is stored that has its settings" in (tmp_path / "site/index.html").read_text("utf-8")


def test_where_there_is_no_record_it_says_so_and_writes_nothing(tmp_path, capsys, two_tables):
    assert main(["report", "--out", "site"]) == 2
    assert "results holds no record of any table with these options" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_a_table_that_is_named_is_shown_without_any_record(tmp_path):
    assert main(["report", *THREE, "--out", "site"]) == 0
    assert "Not run yet: 5" in (tmp_path / "site/index.html").read_text("utf-8")


def test_a_failed_run_is_told_and_does_not_fail_the_report(tmp_path):
    assert main(["run", *THREE, "--set", "mmoe.train.epochs=13"]) == 1
    assert main(["report", *THREE, "--set", "mmoe.train.epochs=13", "--out", "site"]) == 0
    assert "it broke" in (tmp_path / "site/index.html").read_text("utf-8")


def test_something_of_the_readers_own_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/thesis.tex").write_text("precious")
    assert main(["report", *THREE, "--out", "site"]) == 2
    assert "thesis.tex is no part of a site that ctrbench wrote" in capsys.readouterr().err
    assert (tmp_path / "site/thesis.tex").read_text() == "precious"


def test_out_is_asked_for(capsys):
    assert main(["report", "table3"]) == 2
    assert "--out" in capsys.readouterr().err


def planned(command: str) -> set[str]:
    """The runs that a command would do."""
    program, verb, *words = shlex.split(command)
    assert (program, verb) == ("ctrbench", "run")
    parser = argparse.ArgumentParser()
    options.add_tables(parser)
    options.add_plan(parser)
    parser.set_defaults(quiet=True)
    return {run.spec.id for job in jobs.jobs(parser.parse_args(words)).jobs for run in job.plan.runs}


def test_the_command_on_a_runs_page_makes_that_run(tmp_path):
    asked = ["--seeds", "3,7", "--limit", "50", "--profile", "demo", "--dataset", "my data", "-o", "split=random"]
    asked += ["-o", "n=[1, 2]", "--set", "mmoe.train.epochs=2", "--set", "uni_ctr.config.ladders=2"]
    assert main(["run", "fig3", *THREE, *asked]) == 0
    assert main(["report", "fig3", *THREE, *asked, "--out", "site"]) == 0
    pages = sorted((tmp_path / "site/runs").glob("*.html"))
    assert len(pages) == 10
    for page in pages:
        found = re.findall("<pre[^>]*><code>(.*?)</code>", page.read_text("utf-8"), re.DOTALL)
        command = unescape(found[0])
        assert page.stem in planned(command), command
        assert "--dataset 'my data'" in command
        assert "-o split=random -o 'n=[1, 2]'" in command


def test_runs_of_other_settings_are_listed_and_no_part_of_a_table(tmp_path, capsys):
    other = ["--limit", "50", "--set", "mmoe.train.epochs=2"]
    assert main(["run", "table3", "--models", "mmoe", *other]) == 0
    (folder,) = tmp_path.glob("results/*/*/*")
    capsys.readouterr()
    assert main(["report", *THREE, "--out", "site"]) == 0
    assert "of 5 runs 5 missing; 1 stored that no table here has" in capsys.readouterr().err
    page = unescape((tmp_path / f"site/runs/{folder.name}.html").read_text("utf-8"))
    assert "Part of no table here" in page
    assert "--limit 50 --set mmoe.train.epochs=2" in page
    table = unescape((tmp_path / "site/tables/table3.html").read_text("utf-8"))
    assert f'href="../runs/{folder.name}.html"' in table.partition("Not part of this table")[2]
    index = (tmp_path / "site/index.html").read_text("utf-8")
    assert f'href="runs/{folder.name}.html"' in index.partition("Other runs")[2]


def test_a_site_of_other_runs_alone_is_written(tmp_path, two_tables):
    assert main(["run", "deepfm_table", "--limit", "50"]) == 0
    assert main(["report", "--out", "site", "-q"]) == 0
    assert tables(tmp_path) == set()
    assert len(list((tmp_path / "site/runs").glob("*.html"))) == 2
    assert "deepfm_table: no run is stored that has its settings" in (tmp_path / "site/index.html").read_text("utf-8")
