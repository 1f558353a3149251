"""The layout of abilities: what each kind of model can do, as found here, beside what the paper says."""

from __future__ import annotations

from typing import Any

from ctrbench.bench.abilities import Abilities, abilities
from ctrbench.bench.plan import ModelFacts
from ctrbench.report.findings import Findings
from ctrbench.report.grid import Cell, Column, Entry, Footnotes, Row, Table, count
from ctrbench.report.layouts.assemble import assembled
from ctrbench.report.layouts.cells import auc_cell, cost_values
from ctrbench.report.scores import cost_of
from ctrbench.report.seesaw import UNCLEAR, Gain, balanced, gains, rule, unclear

NAMES = ("semantics", "balance", "generalization", "scalability")
TICKS = {True: "✓", False: "✗", None: "-"}
LEGEND = (
    "Nothing here is typed in. semantics: the model reads text, as tokens. generalization: it has a general head, for "
    "domains without one of their own. scalability: a domain can be added and all else frozen (below the tick: the "
    "parameters that it adds). balance: measured, on this data."
)
LOSES = ", loses"
PUBLISHED = (
    "paper: the paper's tick, which it gives without a test; ≠ where ours differs. A model that keeps a network for "
    "each domain, be it a gate or a tower, can be extended by one here, also where the paper says that it cannot."
)


def build(findings: Findings) -> Table:
    """One row per model; per ability ours and the paper's tick; per domain the gain of joint training."""
    plan, table, scores, notes = findings.plan, findings.table, findings.scores, Footnotes()
    publishes = any(model.name in table.published for model in plan.models)
    rows: list[Row] = []
    entries: list[Entry] = []
    for model in plan.models:
        can = abilities(model, plan.runs_of(model.name, plan.seeds[0])[0].spec, findings.data)
        found = gains(findings, model)
        ours = {**{name: getattr(can, name) for name in NAMES if name != "balance"}, "balance": balanced(found)}
        paper = {name: _tick(table.published.get(model.name, {}).get(name)) for name in NAMES}
        cells = _ticks(
            model, can, ours, paper if publishes else None, notes, UNCLEAR if unclear(found) else TICKS[None]
        )
        cells += [_gain_cell(gain, notes) for gain in found.values()]
        rows.append(Row(model.title, cells, of=model.name))
        joint = [[run for run in plan.runs_of(model.name, s) if run.spec.domains == plan.domains] for s in plan.seeds]
        whole = {"category": model.category, **ours, **{f"published_{name}": paper[name] for name in NAMES}}
        whole |= {"parameters_per_new_domain": can.added, **cost_values(cost_of(scores, joint))}
        entries += [Entry(model.title, domain, _values(gain), whole) for domain, gain in found.items()]
    columns = _columns(plan.domains, plan.titles, publishes)
    return assembled(findings, columns, rows, entries, notes=notes, legend=[LEGEND, rule(len(plan.seeds))])


def _tick(published: float | None) -> bool | None:
    """A tick of the paper's from its number, 1 or 0."""
    return None if published is None else bool(published)


def _columns(domains: tuple[str, ...], titles: Any, publishes: bool) -> list[Column]:
    ticks = []
    for group in (name.title() for name in NAMES):
        ticks.append(Column("ours", group))
        ticks += [Column("paper", group, aside=True, legend=(PUBLISHED,))] if publishes else []
    return ticks + [Column(titles.get(domain, domain), "Gain of joint training") for domain in domains]


def _ticks(
    model: ModelFacts,
    can: Abilities,
    ours: dict[str, bool | None],
    paper: dict[str, bool | None] | None,
    notes: Footnotes,
    unbalanced: str,
) -> list[Cell]:
    """`unbalanced`: what stands where balance is unknown."""
    cells = []
    for name in NAMES:
        own = ours[name]
        text = unbalanced if own is None and name == "balance" else TICKS[own]
        cell = Cell(text, None if own is None else float(own), style="muted" if own is None else "")
        if name == "scalability" and can.added:
            cell.detail = f"+{count(can.added)}"
        if own is None and name != "balance":
            cell.footnotes.append(notes.number(f"What {model.title} can do cannot be told: {can.fault}"))
        cells.append(cell)
        if paper is not None:
            theirs = paper[name]
            differs = None not in (own, theirs) and own != theirs
            value = None if theirs is None else float(theirs)
            cells.append(Cell(TICKS[theirs], value, "≠" if differs else "", "muted"))
    return cells


def _gain_cell(gain: Gain, notes: Footnotes) -> Cell:
    """A gain, and below it the limit of what counts as a loss."""
    if gain.gain.mean is None:
        return auc_cell(gain.gain, notes)
    cell = auc_cell(gain.gain, notes, f"limit {gain.limit:+.4f}{LOSES * bool(gain.loses)}", form="+.4f")
    if gain.fault:
        cell.footnotes.append(notes.number(f"Its limit knows nothing of noise: {gain.fault}."))
    return cell


def _values(gain: Gain) -> dict[str, Any]:
    return {
        "status": gain.gain.status,
        "gain": gain.gain.mean,
        "gain_std": gain.gain.std,
        "loses": gain.loses,
        "limit": None if gain.gain.mean is None else gain.limit,
        "standard_error": gain.error,
        "joint_auc": gain.joint.mean,
        "alone_auc": gain.alone.mean,
        "seeds": len(gain.gain.values),
        "error": "; ".join(gain.gain.faults) or None,
    }
