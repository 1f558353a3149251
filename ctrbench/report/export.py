"""Tables and figures in files: the suffix says in which form. Files are written whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctrbench.errors import ConfigError, OutputError
from ctrbench.files import atomic, ensure_writable
from ctrbench.report.entries import write_parquet
from ctrbench.report.grid import Table
from ctrbench.report.render import render
from ctrbench.spelling import suggest

if TYPE_CHECKING:
    from ctrbench.bench.spec import TableSpec
    from ctrbench.report.figures import Figure
    from ctrbench.report.findings import Findings

ADVICE = "free space, or choose another file with --save"
NAME = "{table}"
"""Stands for a table's name in the name of a file."""


def _as(form: str) -> Callable[[Table, Path], None]:
    def write(table: Table, file: Path) -> None:
        file.write_text(render(table, form), "utf-8")

    return write


TABLES: dict[str, Callable[[Table, Path], None]] = {
    ".md": _as("md"),
    ".csv": _as("csv"),
    ".json": _as("json"),
    ".parquet": write_parquet,
    ".tex": _as("latex"),
    ".html": _as("html"),
    ".txt": _as("table"),
}
"""How a table is written, by suffix."""
FIGURES = (".svg", ".png", ".pdf")
"""The suffixes that stand for a table's figure; see `report.svg.DRAWN`."""


@dataclass(frozen=True)
class Export:
    """A file, and the figure that it is to hold; None: the table."""

    file: Path
    figure: Figure | None = None

    def write(self, findings: Findings, table: Table) -> None:
        """Raises `OutputError` where the file cannot be written, or no run is there to be drawn."""
        if self.figure is None:
            with atomic(self.file, ADVICE) as temporary:
                TABLES[self.file.suffix.lower()](table, temporary)
            return
        chart = self.figure.draw(findings)
        if chart is None:
            lacking = len(findings.plan.runs) > sum(record is not None for record in findings.records)
            advice = f"; train what is missing with `ctrbench run {table.name}`" if lacking else ""
            raise OutputError(
                f"{self.file} is not written: the figure {self.figure.title!r} needs {self.figure.needs}, which "
                f"{table.name} has not{advice}"
            )
        from ctrbench.report.svg import draw

        with atomic(self.file, ADVICE) as temporary:
            temporary.write_bytes(draw(chart, self.file.suffix.lower()))


def exports(files: Sequence[str], table: TableSpec, figure: str | None = None) -> list[Export]:
    """What the names of files ask for; `figure` is the one to draw, where it is another than the table's own.

    Raises `ConfigError` for a suffix that stands for no form, for a figure that the table does not have, and
    `OutputError` for a place that cannot be written: worth knowing before anything is trained.
    """
    places = [Path(named(file).replace(NAME, table.name)) for file in files]
    found = [Export(file, _figure(file, table, figure) if _is_figure(file) else None) for file in places]
    for export in found:
        if export.file.is_dir():
            raise ConfigError(f"--save {export.file} is a folder; name a file in it")
        _check_folder(export.file)
    return found


def _check_folder(file: Path) -> None:
    """A folder that is not there may be a name mistyped, so none is made."""
    folder = file.parent
    if not folder.exists():
        raise ConfigError(f"--save {file}: there is no folder {folder}; make it (mkdir -p), or name one that is there")
    if not folder.is_dir():
        raise ConfigError(f"--save {file}: {folder} is a file, and no folder")
    ensure_writable(folder, ADVICE)


def named(file: str) -> str:
    """The name of a file, as --save takes it; `ConfigError` for a suffix that stands for no form."""
    suffix = Path(file).suffix.lower()
    if suffix not in (*TABLES, *FIGURES):
        what = f"unknown suffix {suffix!r}" if suffix else "a suffix is missing"
        raise ConfigError(f"--save {file}: {what}; a table is {', '.join(TABLES)}, its figure {', '.join(FIGURES)}")
    return file


def check_names(files: Sequence[str], figure: str | None, *, several: bool) -> None:
    """Raise `ConfigError` for what is wrong with --save and --figure whatever the table is."""
    for file in files if several else ():
        if NAME not in file:
            raise ConfigError(f"--save {file} holds one table, and these are several: put {NAME} into its name")
    if figure is not None and not any(_is_figure(Path(file)) for file in files):
        raise ConfigError(f"--figure {figure} needs a file: --save FILE, ending in {', '.join(FIGURES)}")


def _is_figure(file: Path) -> bool:
    return file.suffix.lower() in FIGURES


def _figure(file: Path, table: TableSpec, asked: str | None) -> Figure:
    from ctrbench.report.figures import of_kind

    known = of_kind(table.kind)
    if not known:
        raise ConfigError(f"--save {file}: {table.name} has no figure; a table is {', '.join(TABLES)}")
    name = asked or table.figure or next(iter(known))
    if name not in known:
        where = "--figure" if asked else table.file.name
        raise ConfigError(f"{where}: {table.name} has no figure {name!r}.{suggest(name, known)}")
    return known[name]
