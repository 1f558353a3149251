"""Sources that break promises: what ends a preparation is one sentence with names, and what does not is told."""

import html
import json
from pathlib import Path

import pytest

from ctrbench.cli import main
from ctrbench.data import doubts
from ctrbench.data.resolve import open_dataset
from ctrbench.data.store import PreparedDataset
from ctrbench.errors import PluginError
from tests.misbehaving.site import install

ENDS = {
    "Signature": "failed when it was asked for its rows (TypeError",
    "Eager": "the source's interactions are a DataFrame, not a polars LazyFrame",
    "Inputs": "failed when it was asked for its files (AttributeError",
    "Columns": "the source's interactions have no column 'time': they have domain, user, item, when",
    "Types": "the source's interactions have a column 'time' of String, not of numbers",
    "Numbers": "the source's interactions have a column 'user' of Int64, not of texts",
    "Declares": "the source declares a field 'colour' and gives no such column",
    "Misspells": "the source declares a field 'hours' and gives no such column. Did you mean 'hour'?",
    "Labels": "labels are to be 0 or 1, and the data has 2",
    "Templates": "the template of prompt 'default' names {colour}, which is no column that it can show",
    "Raises": "failed when it was asked for its rows (KeyError: 'items')",
    "Version": "has version = 2, which is to be a text such as '1'; run ctrbench.testing.SourceTests on it",
    "Fields": "has 'user' among its `fields`, which is no `Field`",
    "PromptTexts": "has '{user} sees {item}' among its `prompts`, which is no `Prompt`",
    "NoFields": "has no `fields`, which is to be a tuple of `Field`",
    "Download": "failed when it was asked for a download (ValueError: no server)",
}
TOLD = {
    "Twice": "gives 50 rows twice",
    "Milliseconds": "gives 600 rows a time in the future (milliseconds instead of seconds?), as in user u",
    "Label": "gives a feature 'hour' that tells the label (AUC 1.00 on 480 rows)",
    "Histories": "leaks the future, or cuts off the past: ",
    "Writes": "wrote where it may not, to {here}/acme.log",
    "WritesByPolars": "wrote where it may not, or another program did, to {here}/acme.parquet",
    "DownloadsElsewhere": "wrote where it may not, to {cache}/raw/acme.txt",
    "Seeds": "changed numpy's random numbers while it ran",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder and a cache of their own, and the bad sources installed."""
    source = Path(__file__).with_name("acme_sources.py").read_text("utf-8")
    names = ["Fine", "Again", *ENDS, *TOLD, "LazilyRaises", "Prints"]
    install(tmp_path / "site", {"acme_sources": source}, {f"datasets {name}": f"acme_sources:{name}" for name in names})
    for folder in ("here", "cache", "temporary"):
        (tmp_path / folder).mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("CTRBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_a_good_source_is_not_mentioned(here, caplog, capsys):
    assert open_dataset("Fine").domains == ("books", "games")
    assert caplog.messages == []
    assert capsys.readouterr() == ("", "")


def test_histories_of_what_is_bought_again_and_again_are_not_doubted(here, caplog, monkeypatch):
    monkeypatch.setattr(doubts, "_ROWS", 20)
    assert open_dataset("Again").manifest.own_history
    assert caplog.messages == []


@pytest.mark.parametrize("name", ENDS)
def test_what_cannot_be_prepared_is_one_sentence_with_names(here, name):
    with pytest.raises(PluginError) as caught:
        open_dataset(name)
    message = str(caught.value)
    assert message.startswith(f"the dataset plugin {name!r} of acme-ctr 1.2")
    assert ENDS[name] in message
    assert "\n" not in message
    assert not list((here.parent / "cache").glob("datasets/*/manifest.json"))


@pytest.mark.parametrize("name", TOLD)
def test_what_makes_a_dataset_doubtful_is_told(here, name, caplog):
    assert open_dataset(name).count("train") > 0
    told = [text for text in caplog.messages if f"the dataset plugin {name!r} of acme-ctr 1.2" in text]
    assert len(told) == 1
    assert TOLD[name].format(here=here, cache=here.parent / "cache") in told[0]


@pytest.mark.parametrize("name", ["Twice", "Label", "Histories"])
def test_a_doubt_stays_with_the_prepared_dataset(here, name, capsys):
    data = open_dataset(name)
    (doubt,) = PreparedDataset.open(data.path).manifest.doubts
    assert doubt.startswith(f"the dataset plugin {name!r} of acme-ctr 1.2 {TOLD[name]}")
    for form in ("md", "table", "json"):
        assert main(["data", "describe", str(data.path), "--format", form]) == 0
        assert json.dumps(doubt)[1:-1] in capsys.readouterr().out
    assert main(["data", "describe", str(data.path), "--html", "page.html"]) == 0
    assert TOLD[name] in html.unescape(Path("page.html").read_text())


def test_a_doubt_stands_below_tables(here, capsys):
    data = open_dataset("Label")
    for show in (["show", "table2"], ["show", "table3", "--models", "deepfm"]):
        assert main([*show, "--dataset", str(data.path)]) == 0
        told = "Doubtful data: the dataset plugin 'Label' of acme-ctr 1.2 gives a feature 'hour' that tells the label"
        assert told in " ".join(capsys.readouterr().out.split())


def test_old_manifests_and_fingerprints_know_no_doubts(here):
    data = open_dataset("Label")
    raw = json.loads((data.path / "manifest.json").read_text())
    assert raw.pop("doubts")
    (data.path / "manifest.json").write_text(json.dumps(raw))
    old = PreparedDataset.open(data.path)
    assert old.manifest.doubts == []
    assert old.fingerprint == data.fingerprint


def test_what_a_source_raises_while_rows_are_read_names_it(here):
    with pytest.raises(PluginError, match=r"the dataset plugin 'LazilyRaises' of acme-ctr 1\.2.*ZeroDivisionError"):
        open_dataset("LazilyRaises")


def test_what_a_source_prints_goes_to_stderr(here, capsys):
    open_dataset("Prints")
    out, err = capsys.readouterr()
    assert out == ""
    assert "the dataset plugin 'Prints' of acme-ctr 1.2 prints to stdout" in err
    assert "reading\n" in err


def test_prepare_says_it_in_one_line_and_leaves_nothing(here, capsys):
    assert main(["data", "prepare", "Raises", "--root", "raw", "--out", "made"]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ctrbench: ")]
    assert len(said) == 1
    assert "the dataset plugin 'Raises' of acme-ctr 1.2" in said[0]
    assert not Path("made").exists()
