"""Every history against the one that its row should have, and what a wrong one shows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ctrbench.data.audit_check import Check, failed_if
from ctrbench.data.audit_rows import HISTORY, AuditRows, Chunk, Flags, Ints
from ctrbench.data.split import SPLITS

LATE = "no history holds an item at or after its row's time"
_NEVER = np.iinfo(np.int64).max


@dataclass
class _Found:
    """Places of rows with a fault, and counts for the share of histories from beyond other domains' cut-offs."""

    late: list[Ints] = field(default_factory=list)
    foreign: list[Ints] = field(default_factory=list)
    other: list[Ints] = field(default_factory=list)
    target: list[Ints] = field(default_factory=list)
    bought_before: int = 0
    entries: int = 0
    beyond: list[tuple[Ints, Ints]] = field(default_factory=list)
    elsewhere: int = 0
    elsewhere_beyond: int = 0


def audit_histories(rows: AuditRows) -> list[Check]:
    """The checks on histories.

    Each history is compared, entry by entry, with the positives of its owner strictly before the row's time, which
    are found from the rows alone. Where all entries agree none can be late or another's; the others are looked into.
    """
    found = _Found()
    for chunk in rows.histories():
        _look(rows, chunk, found)
    random = rows.options.split == "random"
    shown = "positive training rows" if random else "positive rows"
    where = "" if rows.options.history == "all" else " and in its domain"
    entries = f"{found.entries:,} items in {len(rows.times):,} histories"
    return [
        _check(rows, found.late, LATE, entries),
        _check(rows, found.foreign, f"histories hold items of the same user's {shown} only", entries),
        _check(
            rows,
            found.other,
            f"a history is the user's last {rows.options.window} {shown} before the row{where}, oldest first",
            entries,
        ),
        _check(
            rows,
            found.target,
            "a row's own item is in its history only if bought before",
            f"{found.bought_before:,} rows were bought before",
        ),
        _across(rows, found),
    ]


def audit_brought_histories(rows: AuditRows) -> list[Check]:
    """What can be said of histories that the data brought, in place of the framework's or beside them: they may hold
    what the rows do not know of, so none of the checks on histories can be proved; what the rows speak against is
    shown."""
    manifest = rows.data.manifest
    columns = [field.name for field in manifest.fields if field.kind == HISTORY and field.name != HISTORY]
    return [_brought(rows, column) for column in ([HISTORY] if manifest.own_history else []) + columns]


def _brought(rows: AuditRows, column: str) -> Check:
    found = _Found()
    for chunk in rows.histories(column):
        _look(rows, chunk, found)
    late, target = (
        np.concatenate(places) if places else np.empty(0, np.int64) for places in (found.late, found.target)
    )
    told = (
        "the histories are the data's own, so this cannot be proved; as far as the rows know, an item is positive at or"
        f" after the row's time only in {len(late):,} of {len(rows.times):,} rows, and {len(target):,} rows hold their"
        " own item, not bought before"
    )
    name = LATE if column == HISTORY else f"{LATE} (column {column})"
    return Check(name=name, result="allowed", found=told, details=tuple(rows.examples(np.union1d(late, target))))


def _check(rows: AuditRows, bad: list[Ints], name: str, holds: str) -> Check:
    places = np.concatenate(bad) if bad else np.empty(0, np.int64)
    wrong = len(places) > 0
    return failed_if(wrong, name, f"{len(places):,} rows" if wrong else holds, rows.examples(places))


def _look(rows: AuditRows, chunk: Chunk, found: _Found) -> None:
    first, end = (expected[chunk.rows] for expected in rows.expected)
    start = chunk.rows.start
    event = np.minimum(first[chunk.row] + chunk.place, max(len(rows.events.item) - 1, 0))
    right = _agree(rows, chunk, event, end - first)
    found.entries += len(chunk.items)
    wrong = ~right[chunk.row]
    since = rows.since(start + chunk.row[wrong], chunk.items[wrong])
    late = since >= rows.times[start + chunk.row[wrong]]
    never = since == _NEVER
    faults = [_rows_with(chunk, chunk.row[wrong][of]) for of in (late & ~never, never)]
    for places, fault in zip((found.late, found.foreign), faults, strict=True):
        places.append(start + np.flatnonzero(fault))
    found.other.append(start + np.flatnonzero(~right & ~faults[0] & ~faults[1]))
    _look_for_targets(rows, chunk, found)
    _count_beyond(rows, chunk, event, right, found)


def _agree(rows: AuditRows, chunk: Chunk, event: Ints, lengths: Ints) -> Flags:
    """Whether a row's history is as long as it should be, and each entry the item that it should be."""
    same = lengths == chunk.lengths
    if len(rows.events.item) == 0:
        return same
    return same & ~_rows_with(chunk, chunk.row[chunk.items != rows.events.item[event]])


def _rows_with(chunk: Chunk, row: Ints) -> Flags:
    """Which rows of a chunk are among `row`."""
    flags = np.zeros(len(chunk.lengths), dtype=bool)
    flags[row] = True
    return flags


def _look_for_targets(rows: AuditRows, chunk: Chunk, found: _Found) -> None:
    item = rows.column["item"][chunk.rows]
    has = np.flatnonzero(_rows_with(chunk, chunk.row[chunk.items == item[chunk.row]]))
    places = chunk.rows.start + has
    before = rows.since(places, item[has]) < rows.times[places]
    found.target.append(places[~before])
    found.bought_before += int(before.sum())


def _count_beyond(rows: AuditRows, chunk: Chunk, event: Ints, right: Flags, found: _Found) -> None:
    """Count, by domain and split, rows that show another domain's validation or test period (1), or test (2)."""
    of_row = rows.column["domain"][chunk.rows]
    if rows.options.split == "random" or len(rows.events.item) == 0:
        return
    elsewhere = right[chunk.row] & (rows.events.domain[event] != of_row[chunk.row])
    found.elsewhere += int(elsewhere.sum())
    found.elsewhere_beyond += int((elsewhere & (rows.events.period[event] >= 1)).sum())
    cell = of_row * len(SPLITS) + rows.column["split"][chunk.rows]
    size = len(rows.domains) * len(SPLITS)
    first, second = (
        np.bincount(cell[(of_row >= 0) & _rows_with(chunk, chunk.row[at])], minlength=size)
        for at in (elsewhere & (rows.events.period[event] >= period) for period in (1, 2))
    )
    found.beyond.append((first, second))


def _across(rows: AuditRows, found: _Found) -> Check:
    """How much of each domain's rows shows another domain's items from beyond that domain's cut-offs.

    `global_time` forbids what a `time` split allows: training rows that show others' validation or test period, and
    validation rows that show others' test period. Rows may always show what lies behind their own split.
    """
    rule = rows.options.split
    name = "no training row's history shows another domain's items from its validation or test period"
    if rule == "random":
        told = "the split is random: it has no periods, and histories are made of training rows"
        return Check(name=name, result="allowed", found=told)
    shape = (len(rows.domains), len(SPLITS))
    zero = np.zeros(shape, dtype=np.int64)
    beyond, test = (sum((part[n].reshape(shape) for part in found.beyond), zero) for n in (0, 1))
    cell = rows.column["domain"] * len(SPLITS) + rows.column["split"]
    sizes = np.bincount(cell[cell >= 0], minlength=zero.size).reshape(shape)
    if found.elsewhere == 0:
        return Check(name=name, result="holds", found="no history crosses domains")
    details = [
        f"of {found.elsewhere:,} items from other domains in all histories {found.elsewhere_beyond:,}"
        f" ({percent(found.elsewhere_beyond, found.elsewhere)}) come from after that domain's training period",
        "share of rows that show such, and (in brackets) that show another domain's test period:",
    ]
    for domain, size, all_beyond, of_test in zip(rows.domains, sizes, beyond, test, strict=True):
        cells = zip(SPLITS, size, all_beyond, of_test, strict=True)
        shares = [f"{split} {percent(n, whole)} ({percent(m, whole)})" for split, whole, n, m in cells]
        details.append(f"{domain}: {', '.join(shares)}")
    trained, validated = int(beyond[:, 0].sum()), int(test[:, 1].sum())
    if trained == 0 and not (rule == "global_time" and validated):
        return Check(name=name, result="holds", found=f"{sizes[:, 0].sum():,} training rows", details=tuple(details))
    told = f"{trained:,} of {sizes[:, 0].sum():,} training rows do ({percent(trained, sizes[:, 0].sum())})"
    if rule == "time":
        told += "; the paper's protocol, which cuts each domain at its own times, allows it; --global-cutoff forbids it"
    return Check(name=name, result="allowed" if rule == "time" else "fails", found=told, details=tuple(details))


def percent(part: int, whole: int) -> str:
    """A share as text; only what is not there at all is 0.0 %."""
    if 0 < part < 0.0005 * whole:
        return "< 0.1 %"
    return f"{100 * part / whole:.1f} %" if whole else "-"
