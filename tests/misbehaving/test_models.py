"""A table with a good model and many bad ones: each bad one is one sentence, and the good one is done."""

import json
import os
from pathlib import Path

import pytest
import torch

from ctrbench.bench import records
from ctrbench.cli import main
from tests.misbehaving.site import install

FAULTS = {
    "Constructor": "failed in its constructor (TypeError",
    "Forward": "failed in its forward, on 6 rows (TypeError",
    "Abstract": "failed in its constructor (TypeError",
    "NoModel": "is no CTRModel, but a NoModel",
    "Wide": "gives logits of shape (6, 1), not (6,)",
    "Whole": "gives logits of type torch.int64, not floating-point numbers",
    "Nothing": "gives logits of type NoneType, not a tensor",
    "NaN": "gives logits with nan before any training",
    "NaNLater": "the loss became nan in epoch 1, step 4",
    "BreaksLater": "failed (KeyError: 'gone')",
    "Mutates": "changes the batch (ids) when it scores",
    "MutatesLabels": "changes the batch (label) when it learns",
    "Rows": "gives a row another logit when other rows, or none, stand beside it",
    "Batchwise": "gives a row another logit when other rows, or none, stand beside it",
    "Calls": "keeps state between calls",
    "Draws": "changes torch's random numbers when it scores",
    "Seeds": "seeds torch's random numbers when it is built",
    "SeedsLosses": "changes numpy's random numbers when it learns",
    "SeedsEverything": "seeds Python's random numbers, torch's random numbers when it learns",
    "Doubles": "changes torch's default type of numbers when it learns",
    "Features": "changes numpy's random numbers when it fits its featurizer",
    "FewFeatures": "has a featurizer that made 59 entries 'ids' of 60 rows",
    "Masks": "so that training one moves the other: it makes a gradient for heads.networks.domain_",
    "Labels": "reads the label of the rows that it scores",
    "LabelsLater": "reads the label of the rows that it scores",
    "GeneralLabels": "reads the label of the rows that it scores",
    "Numbers": "reads the row_id of the rows that it scores",
    "Stacked": "couples the domains 'books' and 'games', so that training one moves the other: it has a part for",
}
LEFT_OUT = {
    "NoConfig": "has Config = <class 'dict'>, which is not derived from CTRModel.Config",
    "Rates": "has settings that do not fit: unknown key 'learning_rate' in its train_defaults",
    "NoRates": "has train_defaults = None",
    "NoDefault": "has a `Config` without a default for 'hidden'",
    "Version": "has version = 1, which is to be a text",
    "Category": "has category = 'multidomain', which there is not. Did you mean 'multi_domain'? Run ctrbench.testing",
    "NoCategory": "has no `category`: it is one of 'single_domain', 'multi_domain', 'language_model'",
    "Flag": "has adds_domains = 'no', which is to be True or False",
    "General": "has has_general_head = True, and no `forward_general`",
    "Missing": "cannot be imported from no_such_module:Model (ModuleNotFoundError",
    "Raises": "cannot be imported from acme_raises:Model (RuntimeError: boom)",
    "Leaves": "cannot be imported from acme_leaves:Model (SystemExit",
    "Taken": "is claimed by acme-ctr 1.2 (acme_models:Fine) and other-ctr 1.2 (acme_models:Wide)",
}
HARMLESS = {
    "Writes": "acme.log",
    "Prints": "prints to stdout, which is for results; here it is:\nacme speaks",
    "Threads": "changed torch's number of threads while it ran",
}
IMPORTS = {"acme_raises": "raise RuntimeError('boom')", "acme_leaves": "raise SystemExit(3)"}
TABLE = """
schema = 1
title = "A table"
kind = "main"
domains = ["books", "games", "tools"]
models = [{models}]
reference = "Fine"
"""


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def site(tmp_path_factory, patch):
    """A folder with the bad distribution, on the path; and a temporary folder that is not the tests' own."""
    folder = tmp_path_factory.mktemp("site")
    source = Path(__file__).with_name("acme_models.py").read_text("utf-8")
    places = {name: f"acme_models:{name}" for name in ("Fine", *FAULTS, *HARMLESS, *LEFT_OUT)}
    places |= {"Missing": "no_such_module:Model", "Raises": "acme_raises:Model", "Leaves": "acme_leaves:Model"}
    entries = {f"models {name}": place for name, place in {**places, "Taken": "acme_models:Fine"}.items()}
    install(folder, {"acme_models": source, **IMPORTS}, entries)
    install(folder, {}, {"models Taken": "acme_models:Wide"}, name="other-ctr")
    patch.syspath_prepend(str(folder))
    patch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("temporary")))
    return folder


def ran(folder, data, models):
    """The exit code, the records by model, and what was said, of a table with these models."""
    quoted = ", ".join(f'"{name}"' for name in models)
    (folder / "bad.toml").write_text(TABLE.format(models=quoted))
    words = ["--dataset", str(data.path), "--results", str(folder / "results"), "--limit", "20", "--format", "json"]
    here = Path.cwd()
    os.chdir(folder)
    try:
        code = main(["run", str(folder / "bad.toml"), *words])
    finally:
        os.chdir(here)
    found = [records.read(file) for file in (folder / "results").rglob("record.json")]
    return code, {record.spec.model: record for record in found}


@pytest.fixture(scope="module")
def all_at_once(tmp_path_factory, site, toy):
    """A table with every model; exit code, records, and what went to stdout and stderr."""
    import contextlib
    import io

    folder, out, err = tmp_path_factory.mktemp("bad"), io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code, found = ran(folder, toy, ["Fine", *FAULTS, *HARMLESS, *LEFT_OUT])
    return code, found, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_a_failed_run_that_names_plugin_distribution_and_fault(all_at_once, name):
    record = all_at_once[1][name]
    assert record.status == "failed"
    assert record.error.startswith(f"the model plugin {name!r} of acme-ctr 1.2")
    assert FAULTS[name] in record.error
    assert "\n" not in record.error


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_plugin_that_cannot_be_used_at_all_is_left_out_with_a_sentence(all_at_once, name):
    code, found, _, err = all_at_once
    told = [line for line in err.splitlines() if line.startswith("ctrbench: ") and f"row {name!r}" in line]
    assert len(told) == 1
    assert LEFT_OUT[name] in told[0]
    assert "acme-ctr 1.2" in told[0]
    assert name not in found
    assert code == 2


@pytest.mark.parametrize("name", HARMLESS)
def test_what_harms_nobody_goes_on(all_at_once, name):
    assert all_at_once[1][name].status == "done"


def test_what_plugins_print_goes_to_stderr_and_results_alone_to_stdout(all_at_once):
    _, _, out, err = all_at_once
    assert json.loads(out)
    assert "ctrbench: the model plugin 'Prints' of acme-ctr 1.2 prints to stdout" in err
    assert "\nacme speaks\n" in err


def test_the_others_are_as_without_them(all_at_once, site, toy, tmp_path):
    _, alone = ran(tmp_path, toy, ["Fine"])
    beside = all_at_once[1]["Fine"]
    assert beside.status == "done"
    assert "plugin 'Fine'" not in all_at_once[3]
    assert beside.metrics == alone["Fine"].metrics
    assert [epoch.loss for epoch in beside.history] == [epoch.loss for epoch in alone["Fine"].history]
    assert torch.get_default_dtype() == torch.float32
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("name", ["Writes", "Threads"])
def test_what_a_run_leaves_behind_is_told(site, toy, tmp_path, caplog, name):
    ran(tmp_path, toy, [name])
    told = [text for text in caplog.messages if text.startswith(f"the model plugin {name!r} of acme-ctr 1.2")]
    assert len(told) == 1
    assert HARMLESS[name] in told[0]


def test_check_tells_what_it_finds_and_lists_the_others(site, toy, tmp_path, capsys, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text(TABLE.format(models='"Fine", "Constructor", "Raises"'))
    assert main(["check", "bad.toml", "--dataset", str(toy.path)]) == 2
    out, err = capsys.readouterr()
    assert "Fine" in out
    assert "row 'Raises' is left out: the model plugin 'Raises' of acme-ctr 1.2 cannot be imported" in err
    assert any(
        "the model plugin 'Constructor' of acme-ctr 1.2 failed in its constructor" in text for text in caplog.messages
    )


def test_a_table_of_broken_plugins_alone_is_one_sentence(site, toy, tmp_path, capsys):
    code, found = ran(tmp_path, toy, ["Raises"])
    assert (code, found) == (2, {})
    assert capsys.readouterr().err.startswith(
        "ctrbench: row 'Raises' is left out: the model plugin 'Raises' of acme-ctr 1.2"
    )
