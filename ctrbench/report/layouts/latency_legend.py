"""What stands below a table of latencies: machines, budgets, and which of its numbers are noise.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ctrbench.bench.needs import PRECISIONS, Precision
from ctrbench.report.findings import Findings
from ctrbench.report.timings import KINDS, Measured

PER_BATCH, PER_ROW = "ms_per_batch", "ms_per_row"
"""What a table publishes of a model; of a budget, it is `ms_per_row` alone."""
WHAT = dict(zip(KINDS, ("rows as they are", "full prompts"), strict=True))
NOISY = 2.0
"""Times the median that the 95th percentile is where something else was running, most likely."""
_AGAIN = "Measure these again on a machine that does nothing else (delete the run's latency.json)."


def legend(findings: Findings, measured: Sequence[Measured]) -> list[str]:
    """One statement a line; nothing where nothing was measured."""
    if not any(row.found for row in measured):
        return []
    return [
        *_machines(measured),
        *_weights(measured),
        *_noise(measured),
        *_lost(findings, measured),
        *_budgets(findings, measured),
    ]


def _machines(measured: Iterable[Measured]) -> Iterator[str]:
    every = [latency for row in measured for latency in row.found]
    machines = sorted({f"{one.device} ({one.processor}, {one.threads} threads, torch {one.torch})" for one in every})
    several = " These are several machines: compare rows of one only." if len(machines) > 1 else ""
    yield f"Measured on {'; and on '.join(machines)}.{several}"
    sizes = "/".join(sorted({str(one.batch_size) for one in every}))
    yield (
        f"ms: from a batch of {sizes} rows in main memory to its logits there, without reading or tokenising, after a "
        "warm-up; mean over a row's runs (domains, seeds). Full prompts: a row's tokens over and over, no padding. "
        "bf16: torch's autocast; no export, no TensorRT."
    )


def _weights(measured: Iterable[Measured]) -> Iterator[str]:
    for row in measured:
        if others := sorted({kind for one in row.found for kind in one.weights if kind != "float32"}):
            yield f"{row.model.title} holds weights of type {', '.join(others)}, in both precisions."


def _noise(measured: Iterable[Measured]) -> Iterator[str]:
    """Where times cannot be what the model alone needs."""
    late, slower = list[str](), list[str]()
    for row in measured:
        for precision in PRECISIONS:
            found = {kind: row.numbers(precision, kind) for kind in KINDS}
            for kind, numbers in found.items():
                p50, p95 = numbers["p50_ms"], numbers["p95_ms"]
                if p50 is not None and p95 is not None and p95 > NOISY * p50:
                    late.append(f"{row.model.title} ({WHAT[kind]}, {precision})")
            as_it_is, full = (found[kind]["p50_ms"] for kind in KINDS)
            if as_it_is is not None and full is not None and as_it_is > full:
                slower.append(f"{row.model.title} ({precision})")
    why = [f"the p95 is more than {NOISY:g} times the p50 of {', '.join(late)}"] * bool(late)
    why += [f"rows as they are took longer than full prompts of {', '.join(slower)}"] * bool(slower)
    if why:
        yield f"Noise: {'; '.join(why)}. {_AGAIN}"


def _lost(findings: Findings, measured: Iterable[Measured]) -> Iterator[str]:
    domains = findings.plan.domains
    if all(row.lost(domain) is None for row in measured for domain in domains):
        return
    counts = {domain: findings.scores.test_counts(domain) for domain in domains}
    pairs = {d: c.positives * (c.rows - c.positives) for d, c in counts.items() if c is not None}
    fewest = min((domain for domain in pairs if pairs[domain]), key=pairs.__getitem__, default=None)
    one = "" if fewest is None else f" One pair of test rows is {1 / pairs[fewest]:.1g} of the AUC on {fewest}."
    yield (
        "AUC lost by bf16: the AUC in fp32 minus that in bf16, as the mean over domains and where it is largest. bf16 "
        "keeps two or three digits of a logit, so that rows with nearly the same logit tie, and a tie counts half. Of "
        "a model that gives all rows nearly the same logit (small, or hardly trained), the loss shows such ties and "
        f"nothing else.{one}"
    )


def _budgets(findings: Findings, measured: Sequence[Measured]) -> Iterator[str]:
    """Which rows keep each published budget on this machine, by what was measured."""
    for name, published in findings.table.published.items():
        if PER_BATCH in published or PER_ROW not in published:
            continue
        told = " ".join(text for kind in KINDS if (text := _kept(measured, kind, published[PER_ROW])))
        yield f"{name[:1].upper()}{name[1:]}, at most {published[PER_ROW]:g} ms per row, on this machine. {told}"


def _kept(measured: Sequence[Measured], kind: str, most: float) -> str:
    """Of one length of prompts, who is within a budget, and who is not; empty where nobody was measured."""
    within, beyond = list[str](), list[str]()
    for row in measured:
        times = {precision: row.numbers(precision, kind)["ms_per_row"] for precision in PRECISIONS}
        kept = [precision for precision, time in times.items() if time is not None and time <= most]
        missed = [precision for precision, time in times.items() if time is not None and time > most]
        within += _told(row, kept)
        beyond += _told(row, missed)
    if not within + beyond:
        return ""
    quick = f"fast enough: {', '.join(within)}" if within else "none is fast enough"
    slow = f"; too slow: {', '.join(beyond)}" if beyond else ""
    return f"With {WHAT[kind]}, {quick}{slow}."


def _told(row: Measured, precisions: Sequence[Precision]) -> list[str]:
    return [f"{row.model.title} ({', '.join(precisions)})"] if precisions else []
