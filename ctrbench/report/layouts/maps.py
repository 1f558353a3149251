"""The map layout: how far representations keep domains apart, as a number.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ctrbench.bench.needs import ONE_NETWORK, TRAINED, UNTRAINED
from ctrbench.report.grid import Column, Entry, Footnotes, Row, Table
from ctrbench.report.layouts.assemble import assembled
from ctrbench.report.layouts.cells import auc_cell, bound_row
from ctrbench.report.maps import Space, spaces_of
from ctrbench.report.spaces import ALL, NEIGHBOURS, PERPLEXITY

if TYPE_CHECKING:
    from ctrbench.report.findings import Findings

CHANCE = "chance"
COLUMNS = (UNTRAINED, TRAINED)
LEGEND = (
    f"Purity: the share of a row's {NEIGHBOURS} nearest neighbours (Euclidean distance, in the space itself and not in "
    "its map) that are of its own domain, mean over rows; chance: what it is where domains are mixed.",
    "untrained: the same rows in the model with the weights it began with (a backbone's are its published ones). "
    "Networks of different domains begin with different weights, which alone can separate domains.",
    "The paper names neither pooling nor sample; here, up to 1,000 test rows of each domain, drawn by the run's seed. "
    f"Maps: t-SNE, perplexity {PERPLEXITY:.0f} (or a third of the rows), seed 0, from the first two principal "
    "components.",
)
SPACES = {
    "tower*": "tower: the last hidden layer of each row's own network.",
    f"*{ONE_NETWORK}*": f"{ONE_NETWORK}: all rows through the network of the first domain, so that no other weights "
    "set them apart.",
    "h_*": "h_0, h_1, ...: a language model's hidden states, mean over a row's tokens.",
}
"""What is said of spaces, where there are such."""


def build(findings: Findings) -> Table:
    """A line per row and space: purity before and after training, over all domains and in each."""
    plan, notes = findings.plan, Footnotes()
    titles = {ALL: "All domains", **{domain: plan.titles.get(domain, domain) for domain in plan.domains}}
    spaces = [space for model in plan.models for space in spaces_of(findings, model)]
    return assembled(
        findings,
        [Column(column, group) for group in titles.values() for column in COLUMNS],
        [*(_row(space, titles, notes) for space in spaces), *_chance(spaces, titles)],
        [_entry(space, domain) for space in spaces for domain in plan.domains],
        notes=notes,
        legend=[*LEGEND, *_legend(spaces)],
    )


def _row(space: Space, domains: Iterable[str], notes: Footnotes) -> Row:
    cells = [auc_cell(space.score(column, domain), notes) for domain in domains for column in COLUMNS]
    cells[0].footnotes += [notes.number(remark) for remark in space.remarks]
    return Row(space.title, cells, of=space.model.name)


def _chance(spaces: Sequence[Space], domains: Collection[str]) -> list[Row]:
    """One row for all: chance is counted from the rows' domains, and these are the same in every space."""
    known = next((space for space in spaces if space.found), None)
    if known is None:
        return []
    found = [known.score(CHANCE, domain).mean for domain in domains]
    return [bound_row(CHANCE, found, len(COLUMNS), len(COLUMNS) * len(domains))]


def _legend(spaces: Iterable[Space]) -> list[str]:
    names = {space.name for space in spaces}
    return [said for pattern, said in SPACES.items() if any(fnmatchcase(name, pattern) for name in names)]


def _entry(space: Space, domain: str) -> Entry:
    def numbers(which: str) -> dict[str, Any]:
        found = {column: space.score(column, which) for column in (*COLUMNS, CHANCE)}
        spread = {f"purity_{column}_std": found[column].std for column in COLUMNS}
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
