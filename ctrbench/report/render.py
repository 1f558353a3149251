"""A table as text, in one of several forms."""

from __future__ import annotations

from collections.abc import Callable

from ctrbench.report.entries import as_csv, as_json
from ctrbench.report.grid import Table
from ctrbench.report.markdown import markdown
from ctrbench.report.terminal import plain
from ctrbench.report.typeset import html, latex

FORMATS: dict[str, Callable[[Table], str]] = {
    "table": plain,
    "md": markdown,
    "csv": as_csv,
    "json": as_json,
    "html": html,
    "latex": latex,
}
"""What `--format` prints. CSV and JSON hold full precision, and nothing but data."""


def render(table: Table, form: str) -> str:
    """The table as text, in one of `FORMATS`; `table` means 120 columns without colours."""
    return FORMATS[form](table)
