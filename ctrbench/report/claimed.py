"""Claims about a table, tested on its numbers, and on those that the paper prints. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ctrbench import registry
from ctrbench.bench.spec import AUC_KINDS
from ctrbench.bench.verdicts import Claimed, Finding, Numbers
from ctrbench.errors import PluginError
from ctrbench.report.measures import AUC, MEASURES

if TYPE_CHECKING:
    from ctrbench.bench.claims import Claim
    from ctrbench.bench.spec import TableSpec
    from ctrbench.report.findings import Findings
    from ctrbench.report.grid import Table

MAIN = {"main": "auc", "new_domain": "auc", "zero_shot": "best_auc", "map": "purity_trained"}
"""The number that a claim is about, unless it says another; of other kinds, it is one of a whole row."""
HEADING = (
    "Claims, on this data and on the numbers that the paper prints. Numbers count as they stand (means over seeds), be "
    "their differences significant or not:"
)
SOURCES = {"text": "", "table": " (read off the paper's table)", "ours": " (not the paper's, ours)"}


def claimed(findings: Findings, table: Table) -> list[Claimed]:
    """What becomes of each claim of the table's spec."""
    spec, shown = findings.table, MEASURES.get(findings.metric, AUC)
    other = "" if shown is AUC else shown.title
    return [Claimed(claim, claim.test(_here(findings, table)), on_paper(spec, claim), other) for claim in spec.claims]


def _here(findings: Findings, table: Table) -> Numbers:
    """The finished table's numbers. A row that was not asked for is there, without numbers."""
    spec, plan = findings.table, findings.plan
    names = {model.title: model.name for model in plan.models}
    titles = {model.name: model.title for model in plan.models}
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    wholes: dict[str, dict[str, Any]] = {}
    for entry in table.entries:
        row = str(entry.model.get("space") or names.get(entry.row, entry.row))
        cells[row, entry.domain] = entry.values
        wholes[row] = entry.model
    usual = spec.profile(plan.profile).models or spec.models
    rows = wholes if spec.kind == "map" else dict.fromkeys([*usual, *names.values()])
    main = MAIN.get(spec.kind)

    def value(row: str, domain: str, key: str | None) -> float | None:
        cell = cells.get((row, domain))
        found = wholes.get(row, {}).get(key or domain) if cell is None else cell.get(key or main or "")
        return found if found is None or isinstance(found, bool) else float(found)

    domains = tuple(dict.fromkeys(entry.domain for entry in table.entries))
    return Numbers(_categories(spec, rows), domains, value, {**_titles(spec), **titles})


def on_paper(spec: TableSpec, claim: Claim) -> Finding:
    """The same on the numbers that the paper prints."""
    main = MAIN.get(spec.kind)
    if not spec.published:
        return Finding("cannot be tested", "the paper prints no numbers", {})
    if claim.value is not None and main not in (None, claim.value):
        return _unprinted(claim)
    columns = tuple(dict.fromkeys(column for row in spec.published.values() for column in row))
    domains = columns if spec.kind in AUC_KINDS else ()
    if not (claim.domains or domains):
        return _unprinted(claim)

    def value(row: str, domain: str, key: str | None) -> float | None:
        found = spec.published[row].get(domain)
        return found if found is None or spec.kind != "abilities" else bool(found)

    printed = Numbers(_categories(spec, spec.published), domains, value, _titles(spec), printed=True)
    return claim.test(printed)


def _unprinted(claim: Claim) -> Finding:
    return Finding("cannot be tested", claim.unprinted or "the paper prints no such numbers", {})


def _titles(spec: TableSpec) -> dict[str, str]:
    """Of rows that have one of their own."""
    return {row: variant.title for row, variant in spec.variants.items() if variant.title}


def _categories(spec: TableSpec, rows: Iterable[str]) -> dict[str, str]:
    """Each row's; a row that is no model, such as a budget, has none."""
    known = set(registry.names("models"))
    found = {}
    for row in rows:
        model = spec.model_of(row)
        try:
            found[row] = str(registry.load("models", model).category) if model in known else ""
        except PluginError:
            found[row] = ""
    return found


def as_text(claims: Sequence[Claimed]) -> list[str]:
    """A line for each verdict, and one for the numbers behind it."""
    lines = [HEADING] if claims else []
    if claims and claims[0].shown:
        lines.append(f"They are about the AUC, and not about the {claims[0].shown} that is shown.")
    for found in claims:
        lines.append(f"{found.here.verdict.upper()}: {found.claim.text}{SOURCES[found.claim.stated]}")
        lines.append(f"    here: {found.here.why}")
        lines.append(f"    paper: {found.paper.verdict}; {found.paper.why}")
    if odd := [found.claim.text for found in claims if found.contradicted]:
        lines.append("The paper's own numbers contradict these of its claims:")
        lines += [f"    {text}" for text in odd]
    return lines


def as_data(claims: Sequence[Claimed]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "claim": found.claim.text,
            "kind": found.claim.kind,
            "stated_in": found.claim.stated,
            "here": _data(found.here),
            "paper": _data(found.paper),
            "contradicted_by_the_paper": found.contradicted,
        }
        for found in claims
    ]


def _data(found: Finding) -> dict[str, Any]:
    return {"verdict": found.verdict, "why": found.why, "numbers": found.numbers}
