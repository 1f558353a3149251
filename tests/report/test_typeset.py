import re
import shutil
import subprocess

import pytest

from ctrbench.report.grid import Cell, Column, Row, Table
from ctrbench.report.tables import build
from ctrbench.report.typeset import html, latex
from tests.fakes import failed_record, findings, make_plan, make_record, register_models, table
from tests.report.dirty import CHINESE, FORMULA, SCRIPT, SIGNS, dirty_table, empty_table

BEGIN_END = re.compile(r"\\(begin|end)\{([^}]+)\}")
DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs,caption}
\begin{document}
%s
\end{document}
"""


def compile_with(engine, text, folder):
    if shutil.which(engine) is None:
        pytest.skip(f"no {engine} here: only the structure of the LaTeX is tested")
    (folder / "table.tex").write_text(DOCUMENT % text, "utf-8")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


def body(text):
    """The lines of the tabular that are rows, without rules."""
    inside = re.search(r"\\begin\{tabular\*\}.*?\n(.*)\\end\{tabular\*\}", text, re.S)[1]
    return [line for line in inside.splitlines() if line.endswith((r"\\", r"\\ "))]


def width(row):
    """How many columns a row fills."""
    cells = re.split(r"(?<!\\)&", row)
    return sum(int(found[1]) if (found := re.search(r"\\multicolumn\{(\d+)\}", cell)) else 1 for cell in cells)


@pytest.fixture
def built(monkeypatch):
    register_models(monkeypatch)
    plan = make_plan(seeds=[0, 1])
    aucs = {"single": 0.61, "multi": 0.63, "language": 0.7}
    records = [
        failed_record(run)
        if run.spec.model == "multi" and run.spec.seed == 1
        # the oracle's row has no category
        else make_record(
            run, {**{(d, "own"): aucs[run.spec.model] for d in run.spec.domains}, ("fashion", "oracle"): 0.8}
        )
        for run in plan.runs
    ]
    return build(findings(plan, records))


def test_latex_has_the_papers_layout(built):
    text = latex(built)
    assert re.findall(r"\\multicolumn\{2\}\{c\}\{([^}]+)\}", text) == ["Fashion", "Musical Instruments", "Gift Cards"]
    assert "Model & AUC & RelaImpr & AUC & RelaImpr & AUC & RelaImpr" in text
    groups = re.findall(r"\\multicolumn\{7\}\{l\}\{([^}]+)\}", text)
    assert groups == ["Single-domain", "Multi-domain", "LLM", "Bounds"]
    assert r"\textbf{0.7000" in text
    assert r"\underline{0.6300" in text
    assert "train s" not in text


def test_latex_says_nothing_of_columns_that_it_has_not():
    legend, note = "paper: what is printed.", "of the paper's alone"
    columns = [Column("AUC", "A"), Column("paper", "A", aside=True, legend=(legend,))]
    row = Row("r", [Cell("0.7", footnotes=[2]), Cell("0.6", footnotes=[1])])
    whole = Table("t", "T", {}, columns, [row], [], [legend, "kept"], [note, "of the row"])
    text = latex(whole)
    assert legend not in text
    assert note not in text
    assert "kept" in text
    assert "[1] of the row" in text
    assert r"0.7\textsuperscript{[1]}" in text
    assert legend in html(whole)


@pytest.mark.parametrize("make", [dirty_table, empty_table], ids=["dirty", "empty"])
def test_latex_is_balanced_and_every_row_is_as_wide_as_the_table(make):
    text = latex(make())
    stack = []
    for word, name in BEGIN_END.findall(text):
        if word == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack
    plain = re.sub(r"\\[\\{}&]", "", text)
    assert plain.count("{") == plain.count("}")
    columns = re.search(r"\\begin\{tabular\*\}\{\\linewidth\}\{@\{\\extracolsep\{\\fill\}\}([lr|]+)\}", text)[1]
    assert {width(row) for row in body(text)} == {len(columns.replace("|", ""))}


def test_latex_escapes_names_wherever_they_stand():
    text = latex(dirty_table())
    clean = r"a \& b \% c \_ d \$ e \# f \{ g \} \textasciitilde{} \textasciicircum{} \textbackslash{} h [i] é"
    assert text.count(clean) == 4  # the title, a row, a footnote, a note below
    below_the_comments = text.split("\n", 2)[2]
    assert not re.search(r"(?<!\\)[%$#]", below_the_comments)
    assert "--" not in below_the_comments


def test_latex_says_what_it_needs_and_two_domains_of_one_title_stay_two():
    columns = [Column("AUC", group) for group in ("A", "B", "A")]
    text = latex(Table("t", "T", {}, columns, [], [], [], []))
    assert text.startswith("% Needs in the preamble")
    assert re.findall(r"\\multicolumn\{1\}\{c\}\{(.)\}", text) == ["A", "B", "A"]


@pytest.mark.parametrize("name", [SIGNS, SCRIPT, FORMULA, "[x]", "", "line\nbreak\x00", "{{x}}", "%", "\\"])
def test_latex_compiles_whatever_the_names_are(name, tmp_path):
    compile_with("pdflatex", latex(dirty_table(name, name)), tmp_path)


def test_latex_of_a_table_with_failed_runs_and_of_none_compiles(built, tmp_path):
    compile_with("pdflatex", latex(built) + latex(empty_table()), tmp_path)


def test_latex_with_names_in_any_script_compiles_with_lualatex(tmp_path):
    compile_with("lualatex", latex(dirty_table(CHINESE, CHINESE)), tmp_path)


def test_html_is_one_page_that_asks_for_nothing_and_runs_nothing(built):
    for page in (html(built), html(dirty_table()), html(empty_table())):
        assert page.startswith("<!DOCTYPE html>")
        assert not re.search(r"<script|<link|<img|@import|url\(|\son\w+=", page)
        assert page.count("<table") == page.count("</table>") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html(dirty_table())
    assert html(dirty_table(SCRIPT)).count("<title>Title: &lt;script&gt;") == 1


def test_html_shows_every_column_in_groups_and_marks_the_best(built):
    page = html(built)
    assert "<strong>0.7000</strong>" in page
    assert "<u>0.6300</u>" in page
    assert "failed" in page
    for title in ("Fashion", "Cost", "train s", "Single-domain", "LLM"):
        assert f">{title}<" in page


def test_rows_that_are_no_models_have_no_categories():
    plain = dirty_table(category=None)
    assert "Single-domain" not in latex(plain) + html(plain)


def test_the_same_table_is_the_same_text(built):
    assert html(built) == html(built)
    assert latex(built) == latex(built)


def test_a_title_with_two_braces_stays_text():
    assert "{{x}}" in html(dirty_table("{{x}}", "{{x}}"))


def test_a_table_of_all_failed_runs_is_typeset(monkeypatch):
    register_models(monkeypatch)
    plan = make_plan(spec=table())
    failed = build(findings(plan, [failed_record(run) for run in plan.runs]))
    assert latex(failed).count("failed") >= 9
    assert html(failed).count("failed") >= 9


def test_claims_stand_below(monkeypatch):
    monkeypatch.setattr("ctrbench.report.claimed.as_text", lambda claims: ["HOLDS: x_1 < 2"])
    assert "HOLDS: x_1 &lt; 2" in html(dirty_table())
    assert r"HOLDS: x\_1 \textless{} 2" in latex(dirty_table())
