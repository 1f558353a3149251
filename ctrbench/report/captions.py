"""What stands below a table, so that nobody reads more into its numbers than they say."""

from __future__ import annotations

from typing import Any

from ctrbench.bench.plan import Plan
from ctrbench.report.scores import Scores


def caption(scores: Scores) -> list[str]:
    """One statement a line: data, profile, rows, seeds, and what the runs themselves note."""
    plan = scores.plan
    lines = [_dataset(plan), *_preparation(plan), _profile(plan), _training(plan), *_rows(scores)]
    if plan.limit is not None:
        lines.append(f"Only the latest {plan.limit:,} rows per domain and split (--limit {plan.limit}).")
    lines += sorted({_sentence(note) for record in scores.records.values() for note in record.notes})
    return [*lines, *plan.table.notes]


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


def _profile(plan: Plan) -> str:
    note = plan.table.profile(plan.profile).note
    return f"Profile {plan.profile}. {note}".strip()


def _training(plan: Plan) -> str:
    seeds = ", ".join(str(seed) for seed in plan.seeds)
    many = len(plan.seeds) > 1
    over = f"seeds {seeds} (mean ± standard deviation)" if many else f"seed {seeds}"
    return f"Trained on {', '.join(plan.domains)}; {over}."


def _rows(scores: Scores) -> list[str]:
    plan = scores.plan
    found = {domain: scores.test_counts(domain) for domain in (*plan.domains, *plan.targets)}
    tested = ", ".join(
        f"{domain} {counts.rows:,} ({counts.positives:,} positive)"
        for domain, counts in found.items()
        if counts is not None
    )
    trained = _trained_rows(scores)
    parts = [f"train {trained:,}"] if trained else []
    parts += [f"test {tested}"] if tested else []
    return [f"Rows: {'; '.join(parts)}."] if parts else []


def _trained_rows(scores: Scores) -> int | None:
    """Training rows over all domains: from a joint run, or the sum of one model's single-domain runs."""
    for model in scores.plan.models:
        found = [scores.record(run) for run in scores.plan.runs_of(model.name, scores.plan.seeds[0])]
        known = [record.rows.train for record in found if record is not None and record.rows.train]
        if known and len(known) == len(found):
            return sum(known)
    return None


def _sentence(note: str) -> str:
    text = note.strip()
    return text if text.endswith((".", "!")) else f"{text}."
