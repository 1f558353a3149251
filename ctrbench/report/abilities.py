"""The layout of abilities: what each kind of model can do, as found here, beside what the paper says."""

from __future__ import annotations

from typing import Any

from ctrbench.bench.abilities import Abilities, abilities
from ctrbench.bench.plan import ModelFacts
from ctrbench.report.captions import caption, facts
from ctrbench.report.cells import auc_cell, cost_values
from ctrbench.report.findings import Findings
from ctrbench.report.grid import Cell, Column, Entry, Footnotes, Row, Table, count
from ctrbench.report.scores import cost_of
from ctrbench.report.seesaw import RULE, Gain, balanced, gains

NAMES = ("semantics", "balance", "generalization", "scalability")
TICKS = {True: "✓", False: "✗", None: "-"}
LEGEND = (
    "Nothing here is typed in. semantics: the model reads text, as tokens. generalization: it has a general head, for "
    "domains without one of their own. scalability: a domain can be added and everything else frozen, tried on the "
    "model without weights; below the tick, the parameters that a domain adds. balance: measured, on this data.",
    RULE,
)
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
        found = gains(scores, model)
        ours = {**{name: getattr(can, name) for name in NAMES if name != "balance"}, "balance": balanced(found)}
        paper = {name: _tick(table.published.get(model.name, {}).get(name)) for name in NAMES}
        cells = _ticks(model, can, ours, paper if publishes else None, notes)
        cells += [auc_cell(g.gain, notes, "loses" if g.loses else "", form="+.4f") for g in found.values()]
        rows.append(Row(model.title, cells))
        joint = [[run for run in plan.runs_of(model.name, s) if run.spec.domains == plan.domains] for s in plan.seeds]
        whole = {"category": model.category, **ours, **{f"published_{name}": paper[name] for name in NAMES}}
        whole |= {"parameters_per_new_domain": can.added, **cost_values(cost_of(scores, joint))}
        entries += [Entry(model.title, domain, _values(gain), whole) for domain, gain in found.items()]
    return Table(
        name=table.name,
        title=table.title,
        facts=facts(plan),
        columns=_columns(plan.domains, plan.titles, publishes),
        rows=rows,
        entries=entries,
        caption=[*caption(scores), *LEGEND, *([PUBLISHED] if publishes else [])],
        footnotes=notes.texts,
    )


def _tick(published: float | None) -> bool | None:
    """A tick of the paper's from its number, 1 or 0."""
    return None if published is None else bool(published)


def _columns(domains: tuple[str, ...], titles: Any, publishes: bool) -> list[Column]:
    per_ability = [("ours", False), *([("paper", True)] if publishes else [])]
    ticks = [Column(title, name.title(), aside=aside) for name in NAMES for title, aside in per_ability]
    return ticks + [Column(titles.get(domain, domain), "Gain of joint training") for domain in domains]


def _ticks(
    model: ModelFacts,
    can: Abilities,
    ours: dict[str, bool | None],
    paper: dict[str, bool | None] | None,
    notes: Footnotes,
) -> list[Cell]:
    cells = []
    for name in NAMES:
        own = ours[name]
        cell = Cell(TICKS[own], None if own is None else float(own), style="muted" if own is None else "")
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


def _values(gain: Gain) -> dict[str, Any]:
    return {
        "status": gain.gain.status,
        "gain": gain.gain.mean,
        "gain_std": gain.gain.std,
        "loses": gain.loses,
        "joint_auc": gain.joint.mean,
        "alone_auc": gain.alone.mean,
        "seeds": len(gain.gain.values),
        "error": "; ".join(gain.gain.faults) or None,
    }
