"""What stands below a table, so that nobody reads more into its numbers than they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ctrbench.bench.code import changed
from ctrbench.bench.plan import Plan
from ctrbench.bench.records import Metrics
from ctrbench.evaluation.significance import guessing
from ctrbench.report.findings import Findings
from ctrbench.report.layouts.elsewhere import elsewhere
from ctrbench.report.layouts.origins import origins
from ctrbench.report.scores import Scores


def caption(findings: Findings) -> list[str]:
    """One statement a line: data, profile, rows, seeds, and what the runs themselves note."""
    plan, scores = findings.plan, findings.scores
    lines = [_dataset(plan), *_doubts(findings), *_preparation(plan), *_absent(plan), _profile(plan)]
    lines += [*_training(plan), *_rows(scores)]
    lines += [*_asked(plan), *_overrides(plan), *origins(scores), *changed(plan.models, scores.records.values())]
    if plan.limit is not None:
        lines.append(f"Only the latest {plan.limit:,} rows per domain and split (--limit {plan.limit}).")
    lines += [*elsewhere(findings), *_of_runs(scores)]
    return [*lines, *(model.note for model in plan.models if model.note), *plan.table.notes]


def facts(plan: Plan) -> dict[str, Any]:
    """The same, for programs."""
    return {
        "profile": plan.profile,
        "dataset": plan.dataset.model_dump(exclude={"path"}),
        "domains": list(plan.domains),
        "targets": list(plan.targets),
        "models": [model.name for model in plan.models],
        "reference": plan.table.reference,
        "seeds": list(plan.seeds),
        "limit": plan.limit,
    }


def _dataset(plan: Plan) -> str:
    data = plan.dataset
    warning = "; synthetic: says nothing about real accuracy" if data.synthetic else ""
    return f"Dataset {data.name} ({data.fingerprint[:12]}){warning}."


def _doubts(findings: Findings) -> list[str]:
    """What the preparation found that may make these numbers worthless."""
    return [f"Doubtful data: {doubt} (`ctrbench data audit` says more)." for doubt in findings.data.manifest.doubts]


_SPLITS = {
    "global_time": "Split: all domains at the same two moments (--global-cutoff); the paper cuts each at its own.",
    "random": "Split: at random, so that test rows are of all times; the paper splits by time.",
}


def _preparation(plan: Plan) -> list[str]:
    """What was prepared unlike the paper's data."""
    data = plan.dataset
    lines = [] if data.split == "time" else [_SPLITS.get(data.split, f"Split: {data.split}.")]
    if data.domain_by is not None:
        lines.append(f"Domains: derived (--domain-by {data.domain_by}), a surrogate for data with domains of its own.")
    return lines


def _absent(plan: Plan) -> list[str]:
    """The columns that the table should have, and this data has no rows for."""
    table = plan.table
    absent = [domain for domain in table.domains if domain not in plan.titles]
    places = "rows" if table.kind == "dataset" else "columns"
    own = f"the {places} are of its own" if set(plan.domains) - set(table.domains) else "the table goes without"
    lines = [f"This dataset has no domain {', '.join(absent)}; {own}."] if absent else []
    if table.targets and not set(table.targets) & {*plan.titles}:
        what = "new" if table.kind == "new_domain" else "unseen"
        chosen = f"{', '.join(plan.targets)} (what --target names; without it, the smallest domain)"
        lines.append(f"This dataset has no {', '.join(table.targets)} to be {what}; in its place: {chosen}.")
    return lines


def _profile(plan: Plan) -> str:
    note = plan.table.profile(plan.profile).note
    return f"Profile {plan.profile}. {note}".strip()


def _asked(plan: Plan) -> list[str]:
    """That rows of the table are not here, of which its title and notes may speak: `--models`, or a plugin's fault."""
    usual = plan.table.profile(plan.profile).models or plan.table.models
    others = {*usual} - {model.name for model in plan.models}
    lost = [row for row in usual if row in others and row in plan.left_out]
    parts = ["others were not asked for (--models)"] if others - {*lost} else []
    parts += [f"the models of others cannot be used ({', '.join(lost)})"] if lost else []
    return [f"{len(usual) - len(others)} of the table's {len(usual)} rows; {', '.join(parts)}."] if others else []


def _overrides(plan: Plan) -> list[str]:
    """Settings asked for, above those that profile, notes and rows speak of."""
    told = [
        f"{name}.{part}.{key} = {value}"
        for name, changed in plan.overrides.items()
        for part, settings in changed.model_dump(exclude_defaults=True).items()
        for key, value in settings.items()
    ]
    return [f"Other than the table and its profile say (--set): {', '.join(told)}."] if told else []


def _training(plan: Plan) -> list[str]:
    if not plan.models:
        return []
    seeds = ", ".join(str(seed) for seed in plan.seeds)
    many = len(plan.seeds) > 1
    over = f"seeds {seeds} (mean ± standard deviation)" if many else f"seed {seeds}"
    then = f", then extended to {', '.join(plan.targets)}" if plan.table.kind == "new_domain" else ""
    return [f"{'Joint models trained' if then else 'Trained'} on {', '.join(plan.domains)}{then}; {over}."]


def _rows(scores: Scores) -> list[str]:
    plan = scores.plan
    shown = plan.targets if plan.table.kind == "new_domain" else (*plan.domains, *plan.targets)
    found = {domain: scores.test_counts(domain) for domain in shown}
    tested = ", ".join(
        f"{domain} {counts.rows:,} ({counts.positives:,} positive{_guessing(counts)})"
        for domain, counts in found.items()
        if counts is not None
    )
    trained = _trained_rows(scores)
    parts = [f"train {trained:,}"] if trained else []
    parts += [f"test {tested}"] if tested else []
    return [f"Rows: {'; '.join(parts)}."] if parts else []


def _guessing(counts: Metrics) -> str:
    """The AUCs of scores that know nothing, at the level of all intervals."""
    positive, negative = counts.positives, counts.rows - counts.positives
    if not positive * negative:
        return ""
    blind = guessing(positive, negative)
    return f", guessing {blind.value:g} ± {blind.interval[1] - blind.value:.3f}"


def _trained_rows(scores: Scores) -> int | None:
    """Training rows over all domains, or all new ones: from a joint run, or the sum of one model's smaller runs."""
    new = set(scores.plan.targets) if scores.plan.table.kind == "new_domain" else set(scores.plan.domains)
    for model in scores.plan.models:
        runs = scores.plan.runs_of(model.name, scores.plan.seeds[0])
        joint = [run for run in runs if set(run.spec.domains) == new]
        found = [scores.record(run) for run in joint or [run for run in runs if set(run.spec.domains) <= new]]
        known = [record.rows.train for record in found if record is not None and record.rows.train]
        if known and len(known) == len(found):
            return sum(known)
    return None


def _of_runs(scores: Scores) -> Iterator[str]:
    """What runs note, with the rows that they are of; where a row's runs differ in it, with their domains, too."""
    titles = {model.name: model.title for model in scores.plan.models}
    found: dict[str, dict[str, set[str]]] = {}
    for run in scores.plan.runs:
        record = scores.record(run)
        for note in record.notes if record is not None else ():
            where = "all domains" if run.spec.domains == scores.plan.domains else ", ".join(run.spec.domains)
            found.setdefault(titles.get(run.row, run.row), {}).setdefault(note.strip().rstrip("."), set()).add(where)
    rows: dict[str, list[str]] = {}
    for row, notes in found.items():
        alike = all(wheres == next(iter(notes.values())) for wheres in notes.values())
        told = (note if alike else f"{note} ({', '.join(sorted(wheres))})" for note, wheres in notes.items())
        rows.setdefault("; ".join(told), []).append(row)
    yield from (f"{', '.join(titled)}: {told}." for told, titled in rows.items())
