"""The latency layout: how long a batch takes to score on the machine that measured it, and what bfloat16 costs in AUC.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ctrbench.bench.needs import PRECISIONS, Precision
from ctrbench.report.findings import Findings
from ctrbench.report.grid import Cell, Column, Entry, Footnotes, Row, Table, count
from ctrbench.report.layouts.assemble import assembled
from ctrbench.report.layouts.cells import blank
from ctrbench.report.layouts.latency_legend import PER_BATCH, PER_ROW, legend
from ctrbench.report.timings import KINDS, Measured, mean, measured_of


def build(findings: Findings) -> Table:
    """One row per model: milliseconds per batch and row in each precision, and AUC lost by the lower one."""
    table, plan, notes = findings.table, findings.plan, Footnotes()
    measured = [measured_of(findings, model) for model in plan.models]
    publishes = any(PER_BATCH in table.published.get(row.model.name, {}) for row in measured)
    lengths = sorted({t.length for row in measured for t in row.timings("fp32", "full_") if t.length is not None})
    kinds = KINDS if lengths else KINDS[:1]
    rows = [Row(m.model.title, _cells(findings, m, kinds, publishes, notes), of=m.model.name) for m in measured]
    entries = [_entry(findings, row, domain) for row in measured for domain in plan.domains]
    return assembled(
        findings, _columns(lengths, publishes), rows, entries, notes=notes, legend=legend(findings, measured)
    )


def _columns(lengths: list[int], publishes: bool) -> list[Column]:
    kinds = ["rows as they are", *([f"{'/'.join(map(str, lengths))} tokens"] if lengths else [])]
    columns = []
    for group in (f"{kind}, {precision}" for kind in kinds for precision in PRECISIONS):
        columns += [Column("p50 ms", group, ranked=True, lower_is_better=True), Column("p95 ms", group)]
        columns += [Column("ms/row", group), Column("rows/s", group)]
    columns += [Column(title, "AUC lost by bf16") for title in ("mean", "worst domain")]
    return columns + ([Column(title, "paper", aside=True) for title in ("ms", "ms/row")] if publishes else [])


def _cells(findings: Findings, row: Measured, kinds: Iterable[str], publishes: bool, notes: Footnotes) -> list[Cell]:
    cells = [cell for kind in kinds for precision in PRECISIONS for cell in _timing_cells(row, precision, kind)]
    if row.faults:
        cells[0] = Cell("failed", style="failed", footnotes=[notes.number(fault) for fault in row.faults])
    elif row.found and len(row.found) < row.runs:
        cells[0].footnotes.append(notes.number(f"{len(row.found)} of {row.runs} runs."))
    lost = [loss for domain in findings.plan.domains if (loss := row.lost(domain)) is not None]
    cells += [_number(mean(lost), "{:+.5f}"), _number(max(lost, default=None), "{:+.5f}")]
    published = findings.table.published.get(row.model.name, {})
    return cells + [_number(published.get(key), "{:g}", "muted") for key in (PER_BATCH, PER_ROW) if publishes]


def _timing_cells(row: Measured, precision: Precision, kind: str) -> list[Cell]:
    if row.found and not row.timings(precision, kind):
        return [blank() for _ in range(4)]  # it reads no prompts
    numbers = row.numbers(precision, kind)
    p50, p95, per_row, speed = numbers.values()
    return [_number(p50, "{:.2f}"), _number(p95, "{:.2f}"), _number(per_row, "{:.3f}"), Cell(count(speed), speed)]


def _number(value: float | None, form: str, style: Any = "") -> Cell:
    return Cell("-", style="muted") if value is None else Cell(form.format(value), value, style=style)


def _entry(findings: Findings, row: Measured, domain: str) -> Entry:
    values = {
        "status": "failed"
        if row.faults
        else "done"
        if len(row.found) == row.runs
        else "partial"
        if row.found
        else "missing",
        "auc_fp32": row.auc("fp32", domain),
        "auc_bf16": row.auc("bf16", domain),
        "auc_lost": row.lost(domain),
        "error": "; ".join(row.faults) or None,
    }
    times = {
        f"{precision}_{kind}{name}": value
        for kind in KINDS
        for precision in PRECISIONS
        for name, value in row.numbers(precision, kind).items()
    }
    first = next(iter(row.found), None)
    machine = {name: getattr(first, name, None) for name in ("device", "processor", "threads", "torch", "batch_size")}
    length = next((t.length for t in row.timings("fp32", "full_")), None)
    published = findings.table.published.get(row.model.name, {})
    about = {f"published_{key}": published.get(key) for key in (PER_BATCH, PER_ROW)}
    return Entry(
        row.model.title,
        domain,
        values,
        {"category": row.model.category, **times, "full_length": length, **about, **machine},
    )
