"""The map layout: how far representations keep domains apart, as a number, and where t-SNE puts their rows.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ctrbench.bench.needs import ONE_NETWORK, TRAINED, UNTRAINED, Representations
from ctrbench.errors import OutputError
from ctrbench.report.captions import caption, facts
from ctrbench.report.cells import auc_cell
from ctrbench.report.grid import Cell, Column, Entry, Footnotes, Row, Table
from ctrbench.report.scores import Score
from ctrbench.report.spaces import ALL, NEIGHBOURS, PERPLEXITY, Purity, points, purities

if TYPE_CHECKING:
    import polars as pl

    from ctrbench.bench.plan import ModelFacts, PlannedRun
    from ctrbench.report.findings import Findings

COLUMNS = (UNTRAINED, TRAINED, "chance")
POINTS = ("row", "name", "state", "domain", "x", "y")
LEGEND = [
    f"Purity: the share of a row's {NEIGHBOURS} nearest neighbours (Euclidean distance, in the space itself and not in "
    "its map) that are of its own domain, mean over rows; chance: what it is where domains are mixed.",
    "untrained: the same rows in the model with the weights it began with (a backbone's are its published ones): the "
    "control, as networks of different domains begin with different weights, which alone can separate domains. "
    f"{ONE_NETWORK}: all rows through the network of the first domain, so that no other weights set them apart.",
    "tower: the last hidden layer of each row's own network. h_0, h_1, ...: a language model's hidden states, mean "
    "over a row's tokens. The paper names neither pooling nor sample; here, up to 1,000 test rows of each domain, "
    f"drawn by the run's seed. Maps: t-SNE, perplexity {PERPLEXITY:.0f} (a third of the rows, where these are fewer "
    "than 91), seed 0, begun from the first two principal components.",
]


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


def build(findings: Findings) -> Table:
    """A line per row and space: purity before and after training, over all domains and in each."""
    table, plan, notes = findings.table, findings.plan, Footnotes()
    titles = {ALL: "All domains", **{domain: plan.titles.get(domain, domain) for domain in plan.domains}}
    spaces = [space for model in plan.models for space in _spaces(findings, model)]
    return Table(
        name=table.name,
        title=table.title,
        facts=facts(plan),
        columns=[Column(column, group) for group in titles.values() for column in COLUMNS],
        rows=[_row(space, titles, notes) for space in spaces],
        entries=[_entry(space, domain) for space in spaces for domain in plan.domains],
        caption=caption(findings.scores) + LEGEND,
        footnotes=notes.texts,
    )


def _spaces(findings: Findings, model: ModelFacts) -> list[Space]:
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


def _row(space: Space, domains: Iterable[str], notes: Footnotes) -> Row:
    cells = [_cell(space, column, domain, notes) for domain in domains for column in COLUMNS]
    cells[0].footnotes += [notes.number(remark) for remark in space.remarks]
    return Row(space.title, cells)


def _cell(space: Space, column: str, domain: str, notes: Footnotes) -> Cell:
    cell = auc_cell(space.score(column, domain), notes)
    if column == "chance":
        cell.style, cell.detail = "muted", ""
    return cell


def _entry(space: Space, domain: str) -> Entry:
    def numbers(which: str) -> dict[str, Any]:
        found = {column: space.score(column, which) for column in COLUMNS}
        spread = {f"purity_{column}_std": found[column].std for column in (UNTRAINED, TRAINED)}
        return {**{f"purity_{column}": score.mean for column, score in found.items()}, **spread}

    first = next(iter(space.found), None)
    values = {
        "status": space.score(TRAINED, domain).status,
        "seeds": len(space.found),
        **numbers(domain),
        "mapped_rows": first.rows.get(domain) if first else None,
        "error": "; ".join(space.faults + space.remarks) or None,
    }
    whole = {f"all_{name}": value for name, value in numbers(ALL).items()}
    about = {"row": space.model.title, "space": space.name or None, "width": first.width if first else None}
    return Entry(space.title, domain, values, {"category": space.model.category, **about, **whole})


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
