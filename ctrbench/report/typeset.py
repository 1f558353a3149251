"""A table as a page (HTML) and for a paper (LaTeX), both typeset by great_tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from ctrbench.report import claimed
from ctrbench.report.grid import Cell, Row, Style, Table, groups

if TYPE_CHECKING:
    from great_tables import GT

CATEGORIES = {"single_domain": "Single-domain", "multi_domain": "Multi-domain", "language_model": "LLM"}
"""The paper's groups of rows."""

_PREAMBLE = r"""% Needs in the preamble: \usepackage[T1]{fontenc} \usepackage{booktabs,caption}
% Names in other than Latin letters need LuaLaTeX or XeLaTeX, and a font that has them.
"""
_HEAD = Markup('<meta name="viewport" content="width=device-width, initial-scale=1"/>\n<title>{}</title>\n')
_LATEX: dict[Style, str] = {"best": r"\textbf{%s}", "second": r"\underline{%s}"}
_LATEX_SIGNS = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    }
)
_SYMBOLS = str.maketrans(
    {
        sign: rf"\ensuremath{{{command}}}"
        for sign, command in {
            **{
                "±": r"\pm",
                "−": "-",
                "×": r"\times",
                "·": r"\cdot",
                "→": r"\rightarrow",
                "✓": r"\surd",
                "✗": r"\times",
            },
            **{"≈": r"\approx", "≠": r"\neq", "≤": r"\leq", "≥": r"\geq"},
        }.items()
    }
)
"""What ctrbench itself writes beyond letters."""
_HTML: dict[Style, Markup] = {
    "best": Markup("<strong>{}</strong>"),
    "second": Markup("<u>{}</u>"),
    "muted": Markup('<span style="color: #57606a">{}</span>'),
    "failed": Markup('<span style="color: #b3261e">{}</span>'),
}


def html(table: Table) -> str:
    """A page that needs neither network nor script; every text is escaped."""
    grid = _grid(table, _html_cell)
    for note in _notes(table):
        grid = grid.tab_source_note(note)
    page = grid.tab_options(table_font_size="14px", heading_align="left").as_raw_html(make_page=True)
    return page.replace("<head>\n", f"<head>\n{_HEAD.format(_text(table.title))}", 1) + "\n"


def latex(table: Table) -> str:
    """A `table` environment in the paper's layout: without what stands aside (`Column.aside`) of its numbers."""
    table = _without_asides(table)
    grid = _grid(table, _latex_cell)
    for note in _notes(table):
        grid = grid.tab_source_note(note)
    made = grid.tab_options(table_font_size="8pt").as_latex().strip()
    return _PREAMBLE + made.replace("--", "-{}-").translate(_SYMBOLS) + "\n"  # two hyphens would become a dash


def _grid(table: Table, write: Callable[[Cell], str]) -> GT:
    """Rows by category, columns below their group's title."""
    import polars as pl
    from great_tables import GT

    values = {f"c{index}": [write(row.cells[index]) for row in table.rows] for index in range(len(table.columns))}
    names = {"row": [_text(row.name) for row in table.rows], "category": _categories(table)}
    frame = pl.DataFrame({**names, **values}, schema=dict.fromkeys((*names, *values), pl.String))
    sorted_rows = any(frame["category"])
    grid = (
        GT(frame, rowname_col="row", groupname_col="category" if sorted_rows else None, id="ctrbench")
        .tab_header(_text(table.title))
        .tab_stubhead(table.head)
        .cols_label({f"c{index}": _text(column.title) for index, column in enumerate(table.columns)})
        .cols_align("right", columns=list(values))
    )
    if not sorted_rows:
        grid = grid.cols_hide("category")
    if table.rows and values:
        grid = grid.fmt(lambda written: written, columns=list(values))  # as it is: `write` has escaped it
    for number, (title, members) in enumerate(groups(table.columns)):
        if title:
            grid = grid.tab_spanner(_text(title), [f"c{place}" for place in members], id=f"group-{number}")
    return grid


def _without_asides(table: Table) -> Table:
    """The table without columns that stand aside, and without what is said of them alone."""
    shown = [index for index, column in enumerate(table.columns) if not column.aside]
    columns = [table.columns[index] for index in shown]
    unsaid = {line for column in table.columns for line in column.legend} - {
        line for column in columns for line in column.legend
    }
    cells = [[row.cells[index] for index in shown] for row in table.rows]
    kept = sorted({number for row in cells for cell in row for number in cell.footnotes})
    renumbered = {old: new for new, old in enumerate(kept, 1)}
    return replace(
        table,
        columns=columns,
        rows=[
            replace(row, cells=[replace(cell, footnotes=[renumbered[n] for n in cell.footnotes]) for cell in of_row])
            for row, of_row in zip(table.rows, cells, strict=True)
        ],
        caption=[line for line in table.caption if line not in unsaid],
        footnotes=[table.footnotes[number - 1] for number in kept],
    )


def _categories(table: Table) -> list[str]:
    """The title above each row; all empty where the rows are no models."""
    found = {entry.row: entry.model.get("category") for entry in table.entries}
    if not any(found.values()):
        return [""] * len(table.rows)
    return [_category(row, found.get(row.name)) for row in table.rows]


def _category(row: Row, category: str | None) -> str:
    return CATEGORIES.get(category or "", "Others" if row.ranked else "Bounds")


def _notes(table: Table) -> list[str]:
    footnotes = [f"[{number}] {text}" for number, text in enumerate(table.footnotes, 1)]
    return [_text(note) for note in [*footnotes, *table.caption, *claimed.as_text(table.claims)]]


def _html_cell(cell: Cell) -> str:
    text = _HTML.get(cell.style, Markup("{}")).format(cell.text)
    marks = Markup("<sup>[{}]</sup>").format(_listed(cell.footnotes)) if cell.footnotes else ""
    below = [Markup("<br><small>{}</small>").format(line) for line in cell.detail.splitlines()]
    return str(Markup("").join([text, escape(marks), *below]))


def _latex_cell(cell: Cell) -> str:
    text = _LATEX.get(cell.style, "%s") % _latex_text(cell.text)
    marks = rf"\textsuperscript{{[{_listed(cell.footnotes)}]}}" if cell.footnotes else ""
    first, *others = [rf"{{\tiny {_latex_text(line)}}}" for line in cell.detail.splitlines()] or [""]
    shown = f"{text}{marks} {first}".rstrip()
    below = r" \\ ".join([shown, *others])
    return rf"\shortstack[r]{{{below}}}" if others else shown


def _listed(footnotes: Sequence[int]) -> str:
    return ",".join(str(number) for number in footnotes)


def _latex_text(text: str) -> str:
    return _text(text).translate(_LATEX_SIGNS)


def _text(text: str) -> str:
    """On one line, without control characters."""
    return "".join(sign for sign in " ".join(text.split()) if sign.isprintable())
