"""A table whose spec has an unknown key or a faulty claim: one sentence each, and the rest of it is shown."""

from pathlib import Path

import pytest

from ctrbench.bench import records
from ctrbench.cli import main
from tests.fakes import fake_world, make_record, register_models

TABLE = """
schema = 1
title = "Main"
kind = "main"
domains = ["fashion", "gift_cards"]
models = ["single", "multi"]
reference = "multi"
[profiles.demo]
dataset = "fake"
[[claims]]
text = "Multi is above single."
kind = "above"
rows = ["multi"]
than = ["single"]
"""
CLAIM = """
[[claims]]
text = "Something else."
kind = "above"
rows = ["single"]
than = ["multi"]
"""
FAULTS = {
    "an unknown key": (
        TABLE.replace("reference", "sedes = [0]\nreference"),
        "the key 'sedes' of main.toml is left out: unknown key 'sedes' in main.toml. Did you mean 'seeds'?",
    ),
    "an unknown key of a part": (
        TABLE.replace('dataset = "fake"', 'dataset = "fake"\nnoet = ""'),
        "the key 'noet' of main.toml is left out: unknown key 'profiles.demo.noet' in main.toml. Did you mean 'note'?",
    ),
    "an unknown kind of claim": (
        TABLE + CLAIM.replace("above", "abvoe"),
        "the claim 'Something else.' of main.toml is left out: unknown claims.1.kind 'abvoe'",
    ),
    "a claim about no row": (
        TABLE + CLAIM.replace('["single"]', '["sinlge"]'),
        "the claim 'Something else.' of main.toml is left out: claims.1 names 'sinlge', which is no row. Did you mean",
    ),
    "a claim that is no table": (
        TABLE.partition("[profiles")[0]
        + 'claims = ["text", {text = "Multi is above single.", kind = "above", rows = ["multi"], than = ["single"]}]\n'
        + '[profiles.demo]\ndataset = "fake"\n',
        "claim 1 of main.toml is left out: claims.0 in main.toml: ",
    ),
    "a claim without its rows": (
        TABLE + CLAIM.replace('than = ["multi"]', ""),
        "the claim 'Something else.' of main.toml is left out: the key 'claims.1.than' is missing",
    ),
}


@pytest.fixture(autouse=True)
def _stored(monkeypatch, tmp_path):
    def execute(planned, data, results, watch):
        records.save(results, record := make_record(planned, {}))
        return record

    fake_world(monkeypatch, tmp_path, execute)
    register_models(monkeypatch)
    Path("main.toml").write_text(TABLE)
    assert main(["run", "main.toml", "-q"]) == 0


def shown(capsys, *options):
    capsys.readouterr()
    code = main(["show", "main.toml", *options])
    return code, *capsys.readouterr()


@pytest.mark.parametrize("fault", FAULTS)
def test_show_says_what_it_leaves_out_and_shows_the_rest(capsys, fault):
    faulty, sentence = FAULTS[fault]
    whole = shown(capsys, "--claims")
    Path("main.toml").write_text(faulty)
    code, out, err = shown(capsys, "--claims")
    assert (whole[0], code) == (0, 2)
    assert out == whole[1]
    assert sentence in err


def test_several_faults_have_a_sentence_each_and_so_has_one_of_several_tables(capsys):
    Path("main.toml").write_text(FAULTS["an unknown key"][0] + FAULTS["a claim about no row"][0].removeprefix(TABLE))
    Path("other.toml").write_text(TABLE)
    assert main(["show", "main.toml", "other.toml"]) == 2
    out, err = capsys.readouterr()
    assert err.count("ctrbench: main: the ") == 2
    assert out.count("Main") == 2


def test_a_site_has_the_rest_and_says_all_that_it_leaves_out():
    Path("main.toml").write_text(FAULTS["an unknown key"][0] + FAULTS["a claim about no row"][0].removeprefix(TABLE))
    assert main(["report", "main.toml", "--out", "site"]) == 2
    page = Path("site/index.html").read_text("utf-8")
    assert 'href="tables/main.html"' in page
    assert page.count(" of main.toml is left out: ") == 2


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", ["run", "check"])
def test_nothing_is_trained_of_a_faulty_spec(capsys, fault, verb):
    faulty, sentence = FAULTS[fault]
    Path("main.toml").write_text(faulty)
    capsys.readouterr()
    assert main([verb, "main.toml"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence.partition(": ")[2] in err


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        ('kind = "main"', 'knid = "main"', "unknown key 'knid' in main.toml. Did you mean 'kind'?"),
        ('kind = "main"', 'kind = "main"\ntargets = ["books"]', "`targets` belongs to kind = "),
        ("[profiles.demo]", "[settings.mulit]\n[profiles.demo]", "[settings.mulit] is not among models. Did you mean"),
        (TABLE[TABLE.index("[[claims]]") :], "[claims]", "claims in main.toml: input should be a list"),
    ],
)
def test_what_the_rest_cannot_stand_without_ends_the_command(capsys, right, wrong, sentence):
    Path("main.toml").write_text(TABLE.replace(right, wrong, 1))
    code, out, err = shown(capsys)
    assert (code, out) == (2, "")
    assert err.startswith("ctrbench: ")
    assert sentence in err
