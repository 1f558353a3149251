"""The spaces in which a table maps rows: their purity over seeds, and where t-SNE puts the rows.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ctrbench.bench.needs import Representations
from ctrbench.errors import OutputError
from ctrbench.report.scores import Score
from ctrbench.report.spaces import Purity, points, purities

if TYPE_CHECKING:
    import polars as pl

    from ctrbench.bench.plan import ModelFacts, PlannedRun
    from ctrbench.report.findings import Findings

POINTS = ("row", "name", "state", "domain", "x", "y")


@dataclass(frozen=True)
class Space:
    """A line of the table: a row's representations of one name, seed by seed; without a name, it has none."""

    model: ModelFacts
    name: str
    found: tuple[Purity, ...]
    faults: tuple[str, ...]
    """One sentence for each run that failed, or whose files cannot be read."""
    remarks: tuple[str, ...]
    """Why there is none to show."""
    wanted: int

    @property
    def title(self) -> str:
        """As it is shown."""
        return f"{self.model.title} {self.name}".strip()

    def score(self, column: str, domain: str) -> Score:
        """One number over seeds."""
        known = [getattr(purity, column) for purity in self.found]
        return Score(tuple(values[domain] for values in known if domain in values), self.wanted, self.faults)


def spaces_of(findings: Findings, model: ModelFacts) -> list[Space]:
    """A row's spaces, in the model's order; one without a name where there is none to show."""
    faults, remarks = list[str](), list[str]()
    by_name: dict[str, list[Purity]] = {}
    for seed in findings.plan.seeds:
        runs = findings.plan.runs_of(model.name, seed)
        faults += findings.scores.faults(runs)
        if len(runs) > 1:
            remarks.append(f"{model.title} has a model for each domain, and these share no space.")
        for run in _mapped(findings, runs):
            try:
                found = purities(findings.folder(run))
            except OutputError as fault:
                faults.append(str(fault))
                continue
            if not found:
                remarks.append(f"{model.title} gives no representations.")
            for name, purity in found.items():
                by_name.setdefault(name, []).append(purity)
    shown = _shown(findings, by_name)
    if by_name and not shown:
        remarks.append(f"{model.title} has only {', '.join(by_name)}.")
    why = tuple(dict.fromkeys(faults)), tuple(dict.fromkeys(remarks)), len(findings.plan.seeds)
    return [Space(model, name, tuple(by_name.get(name, ())), *why) for name in shown or [""]]


def _mapped(findings: Findings, runs: list[PlannedRun]) -> Iterator[PlannedRun]:
    """The one run of a row and seed, where it is done and its representations are on disk."""
    for run in runs if len(runs) == 1 else ():
        record = findings.scores.record(run)
        if record is not None and record.status == "done" and findings.folder(run).representations.exists():
            yield run


def _shown(findings: Findings, names: Iterable[str]) -> list[str]:
    """Those that the table asks for."""
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in findings.table.spaces)]


def tsne(findings: Findings) -> pl.DataFrame:
    """Points of the maps that the table shows: `row`, `name` (of the space), `state`, `domain`, `x`, `y`.

    `state` is `untrained` or `trained`. Of several seeds, the first. What cannot be read is left out; the table says
    so. Slow the first time: some seconds for each map of 3,000 points. They are kept beside the representations.
    """
    import polars as pl

    text, number = pl.String, pl.Float64
    parts = [pl.DataFrame(schema=dict(zip(POINTS, (text, text, text, text, number, number), strict=True)))]
    for model in findings.plan.models:
        for run in _mapped(findings, findings.plan.runs_of(model.name, findings.plan.seeds[0])):
            folder = findings.folder(run)
            with suppress(OutputError):
                kept = Representations.of(folder)
                for name in _shown(findings, kept.names):
                    labels = (pl.lit(value).alias(key) for key, value in (("row", model.title), ("name", name)))
                    parts.append(points(folder, kept, name).with_columns(labels).select(POINTS))
    return pl.concat(parts)
