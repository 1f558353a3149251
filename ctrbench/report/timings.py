"""What the runs of a table's row measured of its latency. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean

from ctrbench.bench.needs import Latency, Precision, Timing, read_latency
from ctrbench.bench.plan import ModelFacts
from ctrbench.errors import OutputError
from ctrbench.report.findings import Findings

KINDS = ("", "full_")
"""Prompts as they are, and of full length: how the names of their numbers begin."""


@dataclass(frozen=True)
class Measured:
    """What a row's runs, of all domains and seeds, measured."""

    model: ModelFacts
    found: tuple[Latency, ...]
    faults: tuple[str, ...]
    runs: int

    def timings(self, precision: Precision, kind: str) -> list[Timing]:
        """One of each run that has it."""
        every = [timing for latency in self.found for timing in latency.timings]
        return [t for t in every if t.precision == precision and (t.length is not None) == bool(kind)]

    def mean(self, number: Callable[[Timing], float], precision: Precision, kind: str) -> float | None:
        """Over runs."""
        return mean(map(number, self.timings(precision, kind)))

    def numbers(self, precision: Precision, kind: str) -> dict[str, float | None]:
        """`p50_ms` and `p95_ms` of a batch, `ms_per_row` and `rows_per_s` at the median."""
        p50, p95 = self.mean(lambda t: t.p50_ms, precision, kind), self.mean(lambda t: t.p95_ms, precision, kind)
        per_row = None if p50 is None else p50 / self.found[0].batch_size
        return {"p50_ms": p50, "p95_ms": p95, "ms_per_row": per_row, "rows_per_s": 1e3 / per_row if per_row else None}

    def auc(self, precision: Precision, domain: str) -> float | None:
        """Mean over seeds."""
        known = [latency.auc.get(precision, {}).get(domain) for latency in self.found]
        return mean(value for value in known if value is not None)

    def lost(self, domain: str) -> float | None:
        """How much lower the AUC is in bfloat16."""
        whole, half = self.auc("fp32", domain), self.auc("bf16", domain)
        return None if whole is None or half is None else whole - half


def measured_of(findings: Findings, model: ModelFacts) -> Measured:
    """What there is on disk; faults say what is not."""
    runs = [run for seed in findings.plan.seeds for run in findings.plan.runs_of(model.name, seed)]
    found, faults = list[Latency](), list(findings.scores.faults(runs))
    for run in runs:
        folder, record = findings.folder(run), findings.scores.record(run)
        if record is None or record.status != "done" or not folder.latency.exists():
            continue
        try:
            found.append(read_latency(folder))
        except OutputError as fault:
            faults.append(str(fault))
    return Measured(model, tuple(found), tuple(faults), len(runs))


def mean(values: Iterable[float]) -> float | None:
    """None of none."""
    known = list(values)
    return fmean(known) if known else None
