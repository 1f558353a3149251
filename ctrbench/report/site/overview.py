"""The site's first page: what the data is, who made the numbers, what leads, what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, get_args

from ctrbench.bench.records import Record
from ctrbench.bench.spec import Kind
from ctrbench.bench.verdicts import Verdict
from ctrbench.report.grid import Column, Table
from ctrbench.report.layouts.marks import LEVEL_WITH, STAR
from ctrbench.report.site.content import STATUSES, Shown, Site, Trained, with_records

ABOUT: dict[Kind, str] = {
    "main": "How well each model ranks the clicks of the domains that it was trained on.",
    "zero_shot": "What models reach on a domain that none of them was trained on, by the head that scores it.",
    "new_domain": "What a domain reaches that is added to trained models, of which nothing else moves.",
    "abilities": "What each kind of model can do, as found here.",
    "dataset": "The data: users, products and samples of each domain.",
    "map": "How far representations keep domains apart, before training and after it.",
    "latency": "How long a batch takes to score, and what half precision costs in AUC.",
}
"""What each kind of table tells."""


@dataclass(frozen=True)
class Leader:
    """The best row of a column, and the one behind it."""

    column: str
    best: str
    value: str
    second: str = ""
    second_value: str = ""


@dataclass(frozen=True)
class Lacking:
    """Runs without a result, by the command that makes them."""

    title: str
    runs: dict[str, list[Trained]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(map(len, self.runs.values()))


def about(shown: Shown) -> str:
    """What a table tells, and how much of it is there."""
    runs = {run.spec.id: record for run, record in with_records(shown.findings)}
    counted = Counter("missing" if record is None else record.status for record in runs.values())
    there = ", ".join(f"{counted[status]} {status}" for status in STATUSES if counted[status])
    number = f"{len(runs)} run{'' if len(runs) == 1 else 's'}"
    return ABOUT[shown.findings.table.kind] + (f" {number}: {there}." if runs else "")


def leading(shown: Shown) -> list[Leader]:
    """Who leads, of a whole table that compares models on equal terms: a column of two rows out of ten misleads."""
    fits = shown.table is not None and shown.findings.table.kind == "main" and shown.whole
    return leaders(shown.table) if fits and shown.table is not None else []


def leaders(table: Table) -> list[Leader]:
    """For each column of which one value is the best."""
    found = []
    for index, column in enumerate(table.columns):
        cells = [(row.name, row.cells[index]) for row in table.rows]
        best = [(name, cell.text) for name, cell in cells if cell.style == "best"]
        second = [(name, cell.text) for name, cell in cells if cell.style == "second"]
        if (
            best
            and not column.aside
            and sum(row.ranked and row.cells[index].value is not None for row in table.rows) > 1
        ):
            found.append(Leader(_label(column), *_joined(best), *_joined(second)))
    return found


def marks(table: Table, found: Iterable[Leader]) -> list[str]:
    """What the marks behind the leaders' values mean, as it is said below the table."""
    shown = "".join(leader.value + leader.second_value for leader in found)
    seen = [f"{mark}: " for mark in (STAR, LEVEL_WITH) if mark in shown]
    return [line for line in table.caption if line.startswith(tuple(seen))]


def verdicts(table: Table) -> list[tuple[str, int]]:
    """How many of the paper's claims hold here, do not, and cannot be tested."""
    counted = Counter(found.here.verdict for found in table.claims)
    return [(verdict, counted[verdict]) for verdict in get_args(Verdict) if counted[verdict]]


def _label(column: Column) -> str:
    lowest = " (lowest)" if column.lower_is_better else ""
    return f"{column.group} {column.title}".strip() + lowest


def _joined(cells: list[tuple[str, str]]) -> tuple[str, str]:
    return (" and ".join(name for name, _ in cells), cells[0][1]) if cells else ("", "")


def facts(site: Site) -> list[tuple[str, str]]:
    """What holds for the whole site, as name and value."""
    plans = [shown.findings.plan for shown in site.tables]
    records = [run.record for run in site.runs if run.record is not None]
    counted = Counter(run.status for run in site.runs)
    told = {
        "Data": _datasets(site),
        "Profile": _unique(plan.profile for plan in plans),
        "Seeds": _unique(", ".join(map(str, plan.seeds)) for plan in plans),
        "Rows": _unique(
            f"only the latest {plan.limit:,} of each domain and split" for plan in plans if plan.limit is not None
        ),
        "Runs": [", ".join(f"{counted[status]} {status}" for status in STATUSES), *_others(site)],
        "Machine": _unique(_machine(record.provenance) for record in records),
        "Trained": _when(records),
        "Trained with": _unique(_versions(record.provenance) for record in records),
    }
    return [(name, "; ".join(lines)) for name, lines in told.items() if lines]


def _others(site: Site) -> list[str]:
    number = len(site.others)
    return [f"{number} other{'' if number == 1 else 's'}, which no table here has"] if number else []


def synthetic(site: Site) -> bool:
    """Whether some of the data is made up."""
    return any(shown.findings.plan.dataset.synthetic for shown in site.tables)


def lacking(site: Site) -> list[Lacking]:
    """Runs that failed, and those that were never finished, each kind if there are any."""
    kinds = {"failed": "Failed", "missing": "Not run yet"}
    found = [Lacking(title) for title in kinds.values()]
    for status, kind in zip(kinds, found, strict=True):
        for run in site.runs:
            if run.status == status:
                kind.runs.setdefault(run.command(site.asked), []).append(run)
    return [kind for kind in found if kind.runs]


def _datasets(site: Site) -> list[str]:
    """Each dataset once, with the domains that any table uses."""
    found: dict[str, dict[str, str]] = {}
    for plan in (shown.findings.plan for shown in site.tables):
        domains = found.setdefault(f"{plan.dataset.name} ({plan.dataset.fingerprint[:12]})", {})
        domains |= {name: plan.titles.get(name, name) for name in (*plan.domains, *plan.targets)}
    return [f"{name}: {', '.join(domains.values())}" for name, domains in found.items()]


def _machine(provenance: dict[str, Any]) -> str:
    device, cpus = provenance.get("device"), provenance.get("cpus")
    if device is None:
        return ""
    processes = provenance.get("processes", 1)
    many = f", {processes} processes" if processes != 1 else ""
    return f"{device}, {cpus} CPU cores{many}, {provenance.get('platform', 'unknown system')}"


def _versions(provenance: dict[str, Any]) -> str:
    packages = provenance.get("packages", {})
    named = [f"ctrbench {provenance['ctrbench']}"] if "ctrbench" in provenance else []
    named += [f"{name} {packages[name]}" for name in ("torch", "transformers") if packages.get(name)]
    return ", ".join(named)


def _when(records: list[Record]) -> list[str]:
    begun = [str(record.provenance["started"]) for record in records if "started" in record.provenance]
    ended = [str(record.provenance["finished"]) for record in records if "finished" in record.provenance]
    return [f"{_minute(min(begun))} to {_minute(max(ended))} (UTC)"] if begun and ended else []


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _unique(lines: Iterable[str]) -> list[str]:
    return [line for line in dict.fromkeys(lines) if line]
