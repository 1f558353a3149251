"""A table whose names hold what some format takes for a mark, and one that has nothing to show."""

from ctrbench.report.grid import Cell, Column, Entry, Row, Table

SIGNS = r"a & b % c _ d $ e # f { g } ~ ^ \ h [i] é | *j* `k` ``l'' --m"
SCRIPT = "<script>alert(1)</script>"
FORMULA = '=HYPERLINK("http://x.example","y")'
CHINESE = "東京"


def dirty_table(name=SIGNS, domain=SCRIPT, category="single_domain"):
    """Two rows of two domains with the same odd title, one bold, one underlined, a failed one, and the oracle."""
    columns = [
        Column(title, group, title == "AUC") for group in (domain, f"{domain} 2") for title in ("AUC", "RelaImpr")
    ]
    columns.append(Column("train s", "Cost", aside=True))
    best, second = Cell("0.7000*", 0.7, "±0.0100", "best"), Cell("0.6000≈", 0.6, "±0.0100\nfashion", "second")
    failed = Cell("failed", style="failed", footnotes=[1, 2])
    muted = Cell("-", style="muted")
    rows = [
        Row(name, [best, Cell("+1.00%", 1.0), second, muted, Cell("12.3", 12.3)]),
        Row(FORMULA, [second, Cell("-2.00%", -2.0), failed, muted, muted]),
        Row("oracle", [muted, Cell(""), muted, Cell(""), Cell("")], ranked=False),
    ]
    values = {"status": "done", "auc": 0.612345678901234, "seeds": 2, "candidates": [{"seed": 0, "head": name}]}
    entries = [
        Entry(row, domain, {**values, "error": error}, {"category": category, "train_seconds": None})
        for row, error in ((name, None), (FORMULA, f"@{name}"))
    ]
    return Table("dirty", f"Title: {name}", {"seeds": [0]}, columns, rows, entries, [name, SCRIPT], [name, FORMULA])


def empty_table():
    """No column, no row."""
    return Table("empty", "Nothing", {}, [], [], [], [], [])
