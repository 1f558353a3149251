"""A site over fake runs whose every string would run, were it not escaped."""

from __future__ import annotations

from typing import Any

from ctrbench.bench.plan import Plan, PlannedRun
from ctrbench.bench.records import Record
from ctrbench.report.site.asked import Asked
from ctrbench.report.site.content import Shown, Site
from ctrbench.training.course import Epoch
from tests.fakes import D3, FakeData, failed_record, findings, make_plan, make_record, table

EVIL = "</script><script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">{{7*7}}&amp;"
PROVENANCE = {
    "ctrbench": "0.1.0",
    "plugin": {"distribution": EVIL, "version": "1", "entry_point": "a:B"},
    "packages": {"torch": "2.0"},
    "cpus": 2,
    "device": "cpu",
    "started": "2026-01-02T03:04:05+00:00",
    "finished": "2026-01-02T04:00:00+00:00",
}
AUC = {"single": 0.61, "multi": 0.58, "language": 0.7, "odd": 0.55, "twin": 0.58}


def evil_data() -> FakeData:
    """Three domains and an unseen one, two of which have titles that are code."""
    titles = (EVIL, "Musical Instruments", "'\"><b>", "All Beauty")
    return FakeData(dict(zip((*D3, "all_beauty"), titles, strict=True)), synthetic=True)


def evil_plan(kind: str = "main", **changes: Any) -> Plan:
    """Four rows, of which one is a variant with such a title, and two seeds."""
    rows = {"models": ["single", "multi", "language", "odd"], "variants": {"odd": {"model": "multi", "title": EVIL}}}
    odd = {"variants": {"odd": {**rows["variants"]["odd"], "config": {"dim": 9}}}}  # type: ignore[index]
    spec = table(kind, title=f"A {kind} table", **{**rows, **odd, **changes})
    spec._file = spec._file.with_name(f"a_{kind}.toml")
    return make_plan(data=evil_data(), spec=spec, seeds=[0, 1])


def done(run: PlannedRun) -> Record:
    """A finished run of two epochs, with notes."""
    base = AUC[run.row] + run.spec.seed / 100
    auc = {(domain, "own"): base + place / 100 for place, domain in enumerate(run.spec.domains)}
    epochs = [
        Epoch(
            epoch=number,
            loss=0.7 - number / 10,
            valid_auc=dict.fromkeys(run.spec.domains, 0.5 + number / 10),
            seconds=1,
        )
        for number in range(3)
    ]
    found: dict[tuple[str, ...], float] = {**auc, ("fashion", "oracle"): 0.9}
    return make_record(run, found, history=epochs, provenance=PROVENANCE, notes=[EVIL])


def evil_site() -> Site:
    """A main and a zero-shot table: `multi` failed on seed 1, and `odd` is missing on it."""
    shown = []
    for kind in ("main", "zero_shot"):
        plan = evil_plan(kind)
        records: list[Record | None] = []
        for run in plan.runs:
            if run.row == "multi":
                records.append(failed_record(run, EVIL) if run.spec.seed else done(run))
            else:
                records.append(None if run.row == "odd" and run.spec.seed else done(run))
        shown.append(Shown.of(findings(plan, records, evil_data())))
    return Site(shown, [("table9", EVIL)], Asked(("--limit", "5"), ("all_beauty",), ("odd.train.epochs=3",)))
