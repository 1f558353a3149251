"""`ctrbench new plugin`: words in, a package out, or one sentence."""

import pytest

from ctrbench.cli import main
from ctrbench.scaffold.kinds import KINDS


@pytest.fixture(autouse=True)
def _here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_written_and_said(kind, capsys, tmp_path):
    assert main(["new", "plugin", "their-first", "--kind", kind]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("wrote their-first: ")
    assert len(told) == 5
    assert (tmp_path / "their-first" / "setup.cfg").is_file()


def test_quiet_leaves_out_what_comes_next(capsys):
    assert main(["new", "plugin", "their-first", "--kind", "model", "--out", "elsewhere/here", "-q"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "wrote elsewhere/here: the model on ids 'their_first', in elsewhere/here/src/their_first/model.py"
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["their first", "--kind", "model"], "is no name for a plugin"),
        (["their-first", "--kind", "modle"], "unknown value 'modle'. Did you mean 'model'"),
        (["their-first"], "--kind"),
    ],
)
def test_what_is_wrong_is_one_sentence(words, said, capsys, tmp_path):
    assert main(["new", "plugin", *words]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") == 1
    assert out == ""
    assert not list(tmp_path.iterdir())


def test_a_second_time_it_refuses(capsys):
    words = ["new", "plugin", "their-first", "--kind", "tables"]
    assert main(words) == 0
    assert main(words) == 2
    assert "is there already" in capsys.readouterr().err
