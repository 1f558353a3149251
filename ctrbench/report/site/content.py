"""What a site shows: tables with what they are made from, and each of their runs once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Literal

from ctrbench.bench.folders import slug
from ctrbench.bench.plan import ModelFacts, PlannedRun
from ctrbench.bench.records import Cost, Record, Target
from ctrbench.bench.spec import RunSpec
from ctrbench.errors import ConfigError, in_words
from ctrbench.report import grid, tables
from ctrbench.report.claimed import claimed
from ctrbench.report.findings import Findings
from ctrbench.report.site.asked import Asked
from ctrbench.report.site.order import place

Status = Literal["done", "failed", "missing"]
STATUSES: tuple[Status, ...] = ("done", "failed", "missing")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Shown:
    """A table on its page."""

    findings: Findings
    table: grid.Table | None
    """None where its records do not make one; `fault` says why."""
    asked: str
    """As a command names it: its name, or the path of its file."""
    fault: str = ""

    @classmethod
    def of(cls, findings: Findings, asked: str = "") -> Shown:
        """Lay a table out; one that cannot be is shown as such, beside its runs."""
        asked = asked or findings.table.name
        try:
            table = tables.build(findings)
            table.claims = claimed(findings, table)
            return cls(findings, table, asked)
        except Exception as error:
            _log.warning("%s cannot be shown: %s", findings.table.name, in_words(error))
            _log.debug("table %s", findings.table.name, exc_info=True)
            return cls(findings, None, asked, in_words(error))

    @property
    def name(self) -> str:
        """As in links and file names."""
        return slug(self.findings.table.name)

    @property
    def title(self) -> str:
        """As people read it."""
        return self.findings.table.title

    @property
    def whole(self) -> bool:
        """Whether no run of it is missing; failed ones may be among them."""
        return None not in self.findings.records


@dataclass(frozen=True, eq=False)
class Use:
    """A run in a table."""

    shown: Shown
    row: ModelFacts
    planned: PlannedRun


@dataclass(frozen=True, eq=False)
class Near:
    """A row that a run would be of, had it the row's settings."""

    shown: Shown
    row: ModelFacts
    options: tuple[str, ...]
    """What would have to be asked for, so that the row had the run's."""


@dataclass
class Trained:
    """One run, and where it is used; or, where no table has it, the tables that nearly do."""

    spec: RunSpec
    record: Record | None
    uses: list[Use] = field(default_factory=list)
    near: list[Near] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The run's id, which is its page's name."""
        return self.spec.id

    @property
    def name(self) -> str:
        """Of the row where it is used first; else of its model."""
        return self.uses[0].row.title if self.uses else self.spec.model

    @property
    def tables(self) -> list[Shown]:
        """The tables that use it, each once, as they are listed: rows may share a run."""
        return sorted(dict.fromkeys(use.shown for use in self.uses), key=lambda shown: place(shown.name))

    def titles(self, shown: Shown | None = None) -> list[str]:
        """Of the rows that use it in one table; else of the row where it is used first."""
        rows = [use.row.title for use in self.uses if use.shown is shown]
        return list(dict.fromkeys(rows)) or [self.name]

    @property
    def status(self) -> Status:
        """`missing`: never finished."""
        return "missing" if self.record is None else self.record.status

    @property
    def title(self) -> str:
        """Model, domains, and seed."""
        added = "" if self.spec.base is None else f", added to {' + '.join(self.spec.base.domains)}"
        return f"{self.name} on {' + '.join(self.spec.domains)}{added}, seed {self.spec.seed}"

    @property
    def cost(self) -> Cost:
        """What it cost, as far as that is known."""
        return Cost() if self.record is None else self.record.cost

    @property
    def mean_auc(self) -> float | None:
        """Over the domains that it trained on, on their test rows; None where one is not known."""
        if self.record is None:
            return None
        found = [self.record.metric(Target("test", domain, "own")) for domain in self.spec.domains]
        known = [metrics.auc for metrics in found if metrics is not None and metrics.auc is not None]
        return fmean(known) if len(known) == len(found) else None

    def command(self, asked: Asked) -> str:
        """What makes this run, and all that the tables want to know of it."""
        needed, known = list[Use](), set[object]()
        for use in sorted(self.uses, key=lambda use: -len(use.planned.targets) - len(use.planned.needs)):
            wanted = {*use.planned.targets, *use.planned.needs}
            if not needed or not wanted <= known:
                needed.append(use)
                known |= wanted
        return asked.command(
            tables=list(dict.fromkeys(use.shown.asked for use in needed)),
            rows=list(dict.fromkeys(use.row.name for use in needed)),
            models={self.spec.model},
            seed=self.spec.seed,
            beyond=any(use.shown.findings.plan.targets for use in needed),
        )


@dataclass(frozen=True)
class Site:
    """All that there is to show."""

    tables: Sequence[Shown]
    """The first that has a run names it."""
    left_out: Sequence[tuple[str, str]] = ()
    """Tables, and parts of tables, that are not shown, and why."""
    asked: Asked = field(default_factory=Asked)
    others: Sequence[Trained] = ()
    """Runs that are stored, and that none of the tables has."""

    def __post_init__(self) -> None:
        names = [shown.name for shown in self.tables]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"two of the tables are named {name!r}; put each on a site of its own")

    @cached_property
    def listed(self) -> list[Shown]:
        """The tables, in the order that people look for them."""
        return sorted(self.tables, key=lambda shown: place(shown.name))

    @cached_property
    def runs(self) -> list[Trained]:
        """Every run of every table, once, in the order of first mention."""
        found: dict[str, Trained] = {}
        for shown in self.tables:
            rows = {row.name: row for row in shown.findings.plan.models}
            for planned, record in with_records(shown.findings):
                run = found.setdefault(planned.spec.id, Trained(planned.spec, record))
                run.uses.append(Use(shown, rows[planned.row], planned))
        return list(found.values())

    def runs_of(self, shown: Shown) -> list[Trained]:
        """The runs of one table."""
        return [run for run in self.runs if shown in run.tables]

    def near(self, shown: Shown) -> list[tuple[Trained, Near]]:
        """Runs that would be a table's, had they its settings."""
        return [(run, near) for run in self.others for near in run.near if near.shown is shown]

    def anchors(self, shown: Shown) -> dict[str, list[str]]:
        """By run: the rows of a table whose first run it is. Each row has one, also where rows share a run."""
        first: dict[str, str] = {}
        for run in self.runs_of(shown):
            for use in run.uses:
                if use.shown is shown:
                    first.setdefault(use.row.name, run.id)
        return {run.id: [row for row, of in first.items() if of == run.id] for run in self.runs_of(shown)}


def with_records(findings: Findings) -> Iterable[tuple[PlannedRun, Record | None]]:
    """Each planned run, with its record if there is one."""
    known = {record.id: record for record in findings.records if record is not None}
    return ((run, known.get(run.spec.id)) for run in findings.plan.runs)
