import json

import pytest

from ctrbench.bench import records
from ctrbench.cli import main
from tests.fakes import fake_world, make_record

THREE = ("table3", "--models", "deepfm,mmoe,uni_ctr")


@pytest.fixture(autouse=True)
def trained(monkeypatch, tmp_path):
    """Real tables and models, a dataset of four domains, and an executor that only counts."""
    done = []

    def execute(planned, data, results, watch):
        done.append(planned)
        record = make_record(planned, {})
        records.save(results, record)
        return record

    fake_world(monkeypatch, tmp_path, execute)
    return done


def test_run_prints_the_table_and_saves_it_in_every_form_asked_for(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    assert main(["run", *THREE, "--save", "out/t.md", "--save", "out/t.json", "--save", "f.svg", "--format", "md"]) == 0
    out, err = capsys.readouterr()
    assert err.splitlines()[-3:] == ["wrote out/t.md", "wrote out/t.json", "wrote f.svg"]
    assert (tmp_path / "out/t.md").read_text() == out
    assert json.loads((tmp_path / "out/t.json").read_text())["table"] == "table3"
    assert (tmp_path / "f.svg").read_text().startswith("<svg")


@pytest.mark.parametrize("verb", [["show", *THREE], ["zero-shot", *THREE[1:]]])
def test_show_and_zero_shot_save_too(verb, tmp_path):
    assert main(["run", *THREE]) == 0
    assert main([*verb, "--save", "t.tex", "--save", "t.parquet"]) == 0
    assert (tmp_path / "t.tex").read_text().startswith("% Needs")
    assert (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--save", "t.doc"], "unknown suffix '.doc'"),
        (["--save", "t"], "a suffix is missing"),
        (["--save", "file/t.md"], "--save file/t.md: file is a file, and no folder"),
        (["--save", "ouy/t.md"], "--save ouy/t.md: there is no folder ouy; make it (mkdir -p), or name one"),
        (["--save", "t.svg", "--figure", "lerning"], "Did you mean 'learning'?"),
        (["--figure", "learning"], "--figure learning needs a file"),
    ],
)
def test_a_mistake_in_save_is_one_sentence_before_anything_is_trained(options, told, trained, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["run", *THREE, *options]) == 2
    out, err = capsys.readouterr()
    assert told in err
    assert len(err.splitlines()) == 1
    assert not out
    assert not trained
    assert not (tmp_path / "ouy").exists()


def test_a_figure_of_no_run_is_exit_code_2_after_the_table(capsys):
    assert main(["show", *THREE, "--save", "t.svg"]) == 2
    out, err = capsys.readouterr()
    assert "Table III" in out
    assert "t.svg is not written" in err


def test_several_tables_are_saved_by_name(trained, tmp_path, capsys):
    names = ["table3", "fig3", "--models", "deepfm"]
    (tmp_path / "out").mkdir()
    assert main(["run", *names, "--save", "out/{table}.csv"]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["fig3.csv", "table3.csv"]
    capsys.readouterr()
    assert main(["show", *names, "--save", "t.csv"]) == 2
    assert "put {table} into its name" in capsys.readouterr().err


def test_one_table_without_a_figure_does_not_end_the_others(tmp_path, capsys):
    assert main(["run", "table3", "fig3", "--models", "deepfm", "--save", "{table}.svg", "--figure", "cost"]) == 2
    assert (tmp_path / "table3.svg").exists()
    assert not (tmp_path / "fig3.svg").exists()
    out, err = capsys.readouterr()
    assert "Figure 3" in out
    assert "fig3 has no figure 'cost'" in err


@pytest.mark.parametrize("form", ["html", "latex"])
def test_new_formats_are_printed(form, capsys):
    assert main(["run", *THREE, "--format", form, "-q"]) == 0
    out = capsys.readouterr().out
    assert out.startswith({"html": "<!DOCTYPE html>", "latex": "% Needs"}[form])
