"""A site's files, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment

from ctrbench._version import __version__
from ctrbench.errors import OutputError
from ctrbench.files import unwritable, whole_folder
from ctrbench.report import claimed, grid, page
from ctrbench.report.render import render
from ctrbench.report.site import drawn, overview, runs
from ctrbench.report.site.content import Shown, Site, Trained

MANIFEST = "site.json"
"""Lists what a site consists of: a folder that holds anything else is not overwritten."""
_ADVICE = "choose another folder with --out"
DOWNLOADS = ("csv", "json", "md")


def write(site: Site, out: Path) -> None:
    """Write a site; one of ours at `out` is replaced. Raises `OutputError` where it cannot be, or something else is."""
    check_place(out)
    pages = _pages(site)
    with whole_folder(out, _ADVICE) as folder:
        for name, text in pages.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        manifest = {"generator": f"ctrbench {__version__}", "files": sorted([*pages, MANIFEST])}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def check_place(out: Path) -> None:
    """Raise `OutputError` unless a site may be written to `out`; worth knowing before the work."""
    try:
        foreign = _foreign(out)
    except OSError as fault:
        raise unwritable(out, fault, _ADVICE) from fault
    if foreign is not None:
        raise OutputError(f"{foreign} is no part of a site that ctrbench wrote, and would be lost: {_ADVICE}")


def _foreign(out: Path) -> Path | None:
    """Something at `out` that a site does not consist of."""
    if not out.exists():
        return None
    if not out.is_dir():
        return out
    ours = _listed(out / MANIFEST)
    found = (path for path in sorted(out.rglob("*")) if path.is_symlink() or not path.is_dir())
    return next((path for path in found if path.relative_to(out).as_posix() not in ours), None)


def _listed(manifest: Path) -> set[str]:
    """What a site's manifest lists; nothing for a file that is none."""
    try:
        about = json.loads(manifest.read_text("utf-8"))
        return set(about["files"]) if str(about["generator"]).startswith("ctrbench ") else set()
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return set()


def _pages(site: Site) -> dict[str, str]:
    """Every file of the site, by its name."""
    environment = page.environment(__package__)
    made, figures = {}, {}
    for shown in site.tables:
        figures[shown.name], faults = drawn.figures_of(shown.findings)
        made[f"tables/{shown.name}.html"] = _table(environment, site, shown, figures[shown.name], faults)
        if shown.table is not None:
            made |= {f"tables/{shown.name}.{form}": render(shown.table, form) for form in DOWNLOADS}
    for run in [*site.runs, *site.others]:
        if run.record is not None:
            made[f"runs/{run.id}.html"] = _run(environment, site, run)
    return {"index.html": _overview(environment, site, figures), **made, **_assets()}


def _assets() -> dict[str, str]:
    own, shared = files(__package__) / "templates", files("ctrbench.report") / "templates"
    return {
        "assets/site.css": (shared / "page.css").read_text("utf-8") + (own / "site.css").read_text("utf-8"),
        "assets/site.js": (own / "site.js").read_text("utf-8"),
        "assets/vega.js": drawn.bundle(),
    }


def _overview(environment: Environment, site: Site, figures: Mapping[str, Sequence[drawn.Drawn]]) -> str:
    return environment.get_template("overview.html.jinja").render(
        site=site,
        root="",
        facts=overview.facts(site),
        synthetic=overview.synthetic(site),
        about=overview.about,
        leaders=overview.leading,
        marks=overview.marks,
        verdicts=overview.verdicts,
        lacking=overview.lacking(site),
        figures=[],
        figures_of=figures,
    )


def _table(
    environment: Environment, site: Site, shown: Shown, figures: Sequence[drawn.Drawn], faults: Sequence[str]
) -> str:
    return environment.get_template("table.html.jinja").render(
        site=site,
        root="../",
        shown=shown,
        synthetic=shown.findings.plan.dataset.synthetic,
        groups=_groups(shown.table),
        rows={run.row for run in shown.findings.plan.runs},
        runs=site.runs_of(shown),
        near=site.near(shown),
        downloads=DOWNLOADS,
        claims_heading=claimed.HEADING,
        sources=claimed.SOURCES,
        figures=figures,
        faults=faults,
    )


def _groups(table: grid.Table | None) -> list[tuple[str, int]]:
    """Titles above the columns, each with how many it spans; none where no column has one."""
    if table is None or not any(column.group for column in table.columns):
        return []
    return [(title, len(places)) for title, places in grid.groups(table.columns)]


def _run(environment: Environment, site: Site, run: Trained) -> str:
    assert run.record is not None
    curve = drawn.learning_curve(run.record)
    return environment.get_template("run.html.jinja").render(
        site=site,
        root="../",
        run=run,
        record=run.record,
        synthetic=run.record.dataset.synthetic,
        figures=[] if curve is None else [curve],
        tables=_run_tables(run),
    )


def _run_tables(run: Trained) -> Mapping[str, Any]:
    assert run.record is not None
    record = run.record
    made = {
        "Metrics": runs.metrics(record),
        "Cost": runs.cost(record),
        "The model's settings": runs.settings(record.spec.config),
        "Settings of training": runs.settings(record.spec.train),
        "Provenance": runs.provenance(record),
    }
    return {title: table for title, table in made.items() if table.rows}
