import csv
import io
import json
import re

import polars as pl
import pytest

from ctrbench.errors import ConfigError, OutputError
from ctrbench.report import export
from ctrbench.report.entries import flat
from ctrbench.report.export import FIGURES, TABLES, check_names, exports
from ctrbench.report.figures import FIGURES as REGISTERED, of_kind
from ctrbench.report.render import FORMATS, render
from ctrbench.report.tables import build
from tests.fakes import findings, make_plan, make_record, register_models, table
from tests.report.dirty import FORMULA, SIGNS, dirty_table, empty_table


@pytest.fixture
def found(monkeypatch):
    register_models(monkeypatch)
    plan = make_plan()
    return findings(plan, [make_record(run, {}) for run in plan.runs])


def saved(found, file, figure=None):
    (one,) = exports([str(file)], found.table, figure)
    one.write(found, build(found))
    return one.file


@pytest.mark.parametrize("suffix", TABLES)
def test_a_table_is_written_in_the_form_that_its_suffix_names(found, suffix, tmp_path):
    file = saved(found, tmp_path / f"t{suffix.upper()}")
    begins = {".md": b"**A table**", ".csv": b"model,domain,", ".json": b"{", ".parquet": b"PAR1", ".tex": b"% Needs"}
    assert file.read_bytes().startswith({**begins, ".html": b"<!DOCTYPE html>", ".txt": b"A table\n"}[suffix])
    assert [path.name for path in file.parent.iterdir() if path.is_file()] == [file.name]


@pytest.mark.parametrize(("suffix", "begin"), [(".svg", b"<svg"), (".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_a_figure_is_written_in_the_form_that_its_suffix_names(found, suffix, begin, tmp_path):
    assert saved(found, tmp_path / f"f{suffix}").read_bytes().startswith(begin)


@pytest.mark.parametrize("name", ["t.doc", "t", "t.tar.gz", ".svg.bak", "folder.md/t"])
def test_an_unknown_suffix_is_one_sentence_that_lists_the_known_ones(name, tmp_path):
    with pytest.raises(ConfigError) as error:
        exports([str(tmp_path / name)], table())
    assert all(suffix in str(error.value) for suffix in (*TABLES, *FIGURES))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_found_beforehand(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(ConfigError, match="file is a file, and no folder"):
        exports([str(tmp_path / "file" / "t.md")], table())
    with pytest.raises(ConfigError, match=r"there is no folder .*new; make it"):
        exports([str(tmp_path / "new" / "t.md")], table())
    assert not (tmp_path / "new").exists()
    with pytest.raises(ConfigError, match="is a folder"):
        exports([str(tmp_path / "folder.md")], table())


def test_a_folder_that_may_not_be_written_is_found_beforehand(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("ctrbench.files.tempfile.TemporaryFile", refuse)  # root may write anywhere
    with pytest.raises(OutputError, match=r"Permission denied.*choose another file with --save"):
        exports([str(tmp_path / "t.md")], table())


def test_what_fails_while_it_is_written_leaves_the_old_file(found, tmp_path, monkeypatch):
    file = saved(found, tmp_path / "t.md")
    before = file.read_bytes()

    def fail(made, place):
        place.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(TABLES, ".md", fail)
    with pytest.raises(OutputError, match="No space left"):
        saved(found, file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_table_without_a_figure_says_so(tmp_path):
    spec = table("dataset", models=[], reference="")
    assert not of_kind("dataset")
    with pytest.raises(ConfigError, match="has no figure"):
        exports([str(tmp_path / "t.svg")], spec)


def test_the_figure_is_the_one_asked_for_else_the_tables_own_else_its_kinds_first(tmp_path):
    file = [str(tmp_path / "t.svg")]
    assert exports(file, table())[0].figure is next(iter(of_kind("main").values()))
    assert exports(file, table(figure="learning"))[0].figure is REGISTERED["learning"]
    assert exports(file, table(figure="learning"), "reliability")[0].figure is REGISTERED["reliability"]


@pytest.mark.parametrize(
    ("figure", "told"), [("zero_shot", "Known: cost, learning"), ("lerning", "Did you mean 'learning'")]
)
def test_a_figure_that_the_table_does_not_have_is_one_sentence(figure, told, tmp_path):
    for spec, asked in ((table(figure=figure), None), (table(), figure)):
        with pytest.raises(ConfigError, match=rf"no figure '{figure}'.*{told}"):
            exports([str(tmp_path / "t.svg")], spec, asked)


def test_a_figure_that_no_run_has_is_one_sentence(monkeypatch, tmp_path):
    register_models(monkeypatch)
    plan = make_plan()
    nothing = findings(plan, [None] * len(plan.runs))
    with pytest.raises(
        OutputError, match=r"'Cost against AUC' needs a finished run.*train what is missing with `ctrbench"
    ):
        saved(nothing, tmp_path / "t.svg")
    assert saved(nothing, tmp_path / "t.md").exists()
    assert not (tmp_path / "t.svg").exists()


def test_a_figure_that_the_table_cannot_have_is_not_to_be_had_by_training(monkeypatch, tmp_path):
    register_models(monkeypatch)
    plan = make_plan(spec=table(figure="scale_up"))
    done = findings(plan, [make_record(run, {}) for run in plan.runs])
    with pytest.raises(OutputError, match=r"needs a finished run, and two rows of one model .* has not$"):
        saved(done, tmp_path / "t.svg")


def test_several_tables_go_to_several_files(tmp_path):
    name = str(tmp_path / "{table}.md")
    check_names([name], None, several=True)
    assert exports([name], table())[0].file == tmp_path / "table.md"
    with pytest.raises(ConfigError, match=r"put .table. into its name"):
        check_names(["t.md"], None, several=True)


def test_a_figures_name_needs_a_file():
    with pytest.raises(ConfigError, match="--figure cost needs a file"):
        check_names(["t.md"], "cost", several=False)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("make", [dirty_table, empty_table])
def test_every_format_shows_whatever_the_names_are(form, make):
    assert render(make(), form)


def test_parquet_holds_the_entries_in_full_precision_and_what_the_table_is(tmp_path):
    made = dirty_table()
    TABLES[".parquet"](made, tmp_path / "t.parquet")
    assert pl.read_parquet(tmp_path / "t.parquet").to_dicts() == flat(made)
    about = json.loads(pl.read_parquet_metadata(tmp_path / "t.parquet")["ctrbench"])
    assert about == {
        "table": "dirty", "title": made.title, "seeds": [0], "caption": made.caption, "footnotes": made.footnotes
    }  # fmt: skip


def test_parquet_of_a_table_agrees_with_its_entries(found, tmp_path):
    built = build(found)
    lines = pl.read_parquet(saved(found, tmp_path / "t.parquet")).to_dicts()
    assert [(line["model"], line["domain"], line["auc"]) for line in lines] == [
        (entry.row, entry.domain, entry.values["auc"]) for entry in built.entries
    ]
    assert lines == flat(built)


def test_parquet_of_nothing_has_no_rows(tmp_path):
    TABLES[".parquet"](empty_table(), tmp_path / "t.parquet")
    assert pl.read_parquet(tmp_path / "t.parquet").shape == (0, 2)


def test_csv_is_data_for_a_spreadsheet_too():
    made = dirty_table()
    rows = list(csv.DictReader(io.StringIO(render(made, "csv"))))
    assert [row["model"] for row in rows] == [SIGNS, f"'{FORMULA}"]
    assert rows[1]["error"] == f"'@{SIGNS}"
    assert "candidates" not in rows[0]
    assert float(rows[0]["auc"]) == 0.612345678901234


def test_numbers_below_zero_stay_numbers_in_csv():
    made = dirty_table()
    made.entries[0].values["difference"] = -0.5
    row, other = csv.DictReader(io.StringIO(render(made, "csv")))
    assert float(row["difference"]) == -0.5
    assert other["difference"] == ""


def test_json_holds_names_as_they_are():
    rows = json.loads(render(dirty_table(), "json"))["rows"]
    assert [row["model"] for row in rows] == [SIGNS, FORMULA]


def test_markdown_takes_names_for_text():
    lines = render(dirty_table("a|b\n*c* _d_ e_f <b> [x](y) `z`"), "md").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert rows[2].startswith(r"| a\|b \*c\* \_d\_ e_f \<b> \[x\](y) \`z\` |")


def test_no_export_reaches_the_network(found, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a connection")

    monkeypatch.setattr("socket.socket.connect", refuse)
    for suffix in (*TABLES, *FIGURES):
        saved(found, tmp_path / f"t{suffix}")


def test_the_registries_are_dictionaries_that_a_form_is_added_to(found, tmp_path, monkeypatch):
    monkeypatch.setitem(export.TABLES, ".rst", lambda made, file: file.write_text(made.title))
    assert saved(found, tmp_path / "t.rst").read_text() == "A table"
