"""The latency layout: how long a batch takes to score on the machine that measured it, and what bfloat16 costs in AUC.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ctrbench.bench.needs import PRECISIONS, Precision
from ctrbench.report.captions import caption, facts
from ctrbench.report.cells import blank
from ctrbench.report.findings import Findings
from ctrbench.report.grid import Cell, Column, Entry, Footnotes, Row, Table, count, rank
from ctrbench.report.timings import KINDS, Measured, mean, measured_of

PER_BATCH, PER_ROW = "ms_per_batch", "ms_per_row"
"""What a table publishes of a model; of a budget, it is `ms_per_row` alone."""


def build(findings: Findings) -> Table:
    """One row per model: milliseconds per batch and row in each precision, and AUC lost by the lower one."""
    table, plan, notes = findings.table, findings.plan, Footnotes()
    measured = [measured_of(findings, model) for model in plan.models]
    publishes = any(PER_BATCH in table.published.get(row.model.name, {}) for row in measured)
    lengths = sorted({t.length for row in measured for t in row.timings("fp32", "full_") if t.length is not None})
    kinds = KINDS if lengths else KINDS[:1]
    rows = [Row(row.model.title, _cells(findings, row, kinds, publishes, notes)) for row in measured]
    columns = _columns(lengths, publishes)
    rank(columns, rows)
    return Table(
        name=table.name,
        title=table.title,
        facts=facts(plan),
        columns=columns,
        rows=rows,
        entries=[_entry(findings, row, domain) for row in measured for domain in plan.domains],
        caption=[*caption(findings.scores), *_legend(measured), *_budgets(findings, measured)],
        footnotes=notes.texts,
    )


def _columns(lengths: list[int], publishes: bool) -> list[Column]:
    kinds = ["rows as they are", *([f"{'/'.join(map(str, lengths))} tokens"] if lengths else [])]
    columns = []
    for group in (f"{kind}, {precision}" for kind in kinds for precision in PRECISIONS):
        columns += [Column("p50 ms", group, ranked=True, lower_is_better=True), Column("p95 ms", group)]
        columns += [Column("ms/row", group), Column("rows/s", group)]
    columns += [Column(title, "AUC lost by bf16") for title in ("mean", "most")]
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


def _legend(measured: list[Measured]) -> list[str]:
    every = [latency for row in measured for latency in row.found]
    machines = sorted({f"{one.device} ({one.processor}, {one.threads} threads, torch {one.torch})" for one in every})
    lines = [f"Measured on {'; and on '.join(machines)}."] if machines else []
    if len(machines) > 1:
        lines.append(
            "These are several machines: compare rows of one only. Delete a run's latency.json to measure again."
        )
    sizes = "/".join(sorted({str(one.batch_size) for one in every}))
    if every:
        lines.append(
            f"ms: from a batch of {sizes} rows in main memory to its logits there, without reading or tokenising them, "
            "after a warm-up; of several runs (domains, seeds), their mean. Full prompts are a row's tokens over and "
            "over, none of them padding. bf16: torch's autocast, on weights of type float32; no export, no TensorRT."
        )
    for row in measured:
        others = sorted({kind for one in row.found for kind in one.weights if kind != "float32"})
        if others:
            lines.append(f"{row.model.title} holds weights of type {', '.join(others)}, in both precisions.")
    return lines


def _budgets(findings: Findings, measured: list[Measured]) -> list[str]:
    """Which rows keep each published budget, on this machine."""
    lines = []
    for name, published in findings.table.published.items():
        if PER_BATCH in published or PER_ROW not in published or not any(row.found for row in measured):
            continue
        most, known = published[PER_ROW], [(row, p, row.per_row(p)) for row in measured for p in PRECISIONS]
        kept = [f"{row.model.title} ({p})" for row, p, value in known if value is not None and value <= most]
        lines.append(f"{name}, {most:g} ms per row, on this machine: kept by {', '.join(kept) or 'none'}.")
    return lines
