"""Why a table shows '-': runs are stored with other settings, not scored, or not made. Nothing imports torch."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ctrbench.bench.plan import Plan, PlannedRun
from ctrbench.bench.spec import RunSpec, TableSpec
from ctrbench.report.findings import Findings

PARTS = ("config", "train")
NO_LIMIT = "no --limit"
UNSAYABLE = "a setting that is nothing"
"""`--set` has no word for it."""
_MOST_READ = 300  # records of one model
_MOST_SET = 4  # settings in one sentence


def elsewhere(findings: Findings) -> list[str]:
    """A line where rows show '-' whose model has runs of the same data and domains, though not of these settings."""
    planned = {run.spec.id for run in findings.plan.runs}
    stored: dict[Path, list[RunSpec]] = {}
    found: dict[str, list[str]] = {}
    for run in findings.plan.runs:
        if findings.scores.record(run) is not None or run.row in found:
            continue
        folder = findings.folder(run).path.parent
        if folder not in stored:
            stored[folder] = [spec for spec in _specs(folder) if spec.id not in planned]
        kept = settings_of_rows(findings.table, run.spec.model)
        alike = [options_to(run, spec) for spec in stored[folder] if comparable(run.spec, spec, kept)]
        if alike:
            found[run.row] = min(alike, key=len)
    told = [_sentence(findings, found)] if found else []
    return [*_unscored(findings), *told, *_untrained(findings, found)]


def _untrained(findings: Findings, but: Collection[str]) -> list[str]:
    """A line where rows have not been run at all, with whatever settings."""
    plan, scores = findings.plan, findings.scores
    begun = {run.row for run in plan.runs if scores.record(run) is not None} | {*but}
    planned = {run.row for run in plan.runs}
    titles = _titles(plan, planned - begun)
    return [f"'-': {titles}: not trained; the same command with `run` trains what is missing."] if titles else []


def _titles(plan: Plan, rows: Collection[str]) -> str:
    """Rows as people read them."""
    if len(rows) == len(plan.models) > 1:
        return "all rows"
    return ", ".join(model.title for model in plan.models if model.name in rows)


def _unscored(findings: Findings) -> list[str]:
    """A line where runs were made for another table, which did not ask for all that this one does."""
    scores, rows = findings.scores, list[str]()
    for model in findings.plan.models:
        runs = [run for seed in findings.plan.seeds for run in findings.plan.runs_of(model.name, seed)]
        done = [(run, record) for run in runs if (record := scores.record(run)) is not None and record.status == "done"]
        if any(record.metric(target) is None for run, record in done for target in run.targets):
            rows.append(model.name)
    what = "trained, and not yet scored for this table: `ctrbench run` does that, and trains nothing"
    return [f"'-': {_titles(findings.plan, rows)}: {what}."] if rows else []


def _sentence(findings: Findings, found: Mapping[str, list[str]]) -> str:
    """What shows all of them; where that is no few words, where they are listed."""
    rows = ", ".join(model.title for model in findings.plan.models if model.name in found)
    options = dict.fromkeys(option for options in found.values() for option in options)
    whole = options.pop(NO_LIMIT, "") is None
    parts = ["without --limit"] * whole + [f"with `{' '.join(options)}`"] * bool(options)
    beside_set = {frozenset(option for option in of if not option.startswith("--set")) for of in found.values()}
    where = "see `ctrbench results ls`"
    if len(options) <= _MOST_SET and len(beside_set) == 1 and UNSAYABLE not in options:
        where = f"the same command {' and '.join(parts)} shows them"
    return f"'-': not run with these settings. Of {rows} there are runs with others: {where}."


def _specs(folder: Path) -> Iterator[RunSpec]:
    """Of the finished runs in a model's folder; what cannot be read is of no use here."""
    for file in islice(sorted(folder.glob("*/record.json")), _MOST_READ):
        with suppress(OSError, ValueError, KeyError, TypeError, ValidationError):
            record = json.loads(file.read_bytes())
            if record["status"] == "done":
                yield RunSpec.model_validate(record["spec"])


def settings_of_rows(table: TableSpec, model: str) -> set[tuple[str, str]]:
    """The settings that tell a model's rows apart: a run that differs in one is of another row."""
    variants = [variant for variant in table.variants.values() if variant.model == model]
    parts = [(part, getattr(variant, part)) for variant in variants for part in PARTS]
    return {(part, key) for part, settings in parts for key in settings} | {
        ("config", key) for variant in variants for key in (*variant.widen, *variant.elsewhere)
    }


def comparable(mine: RunSpec, other: RunSpec, kept: Collection[tuple[str, str]]) -> bool:
    """Whether two runs could be of one row; one that was added to another is not looked into."""
    keys = ("model", "model_version", "domains", "dataset")
    same = all(getattr(mine, key) == getattr(other, key) for key in keys)
    same &= all(getattr(mine, part).get(key) == getattr(other, part).get(key) for part, key in kept)
    return same and mine.base is None and other.base is None


def options_to(run: PlannedRun, other: RunSpec) -> list[str]:
    """What has to be asked for to be shown the other run."""
    mine, options = run.spec, list[str]()
    if mine.limit != other.limit:
        options.append(NO_LIMIT if other.limit is None else f"--limit {other.limit}")
    if mine.seed != other.seed:
        options.append(f"--seeds {other.seed},")
    for part in PARTS:
        for key, value in _differing(getattr(mine, part), getattr(other, part)):
            setting = f"{run.row}.{part}.{key}={json.dumps(value)}"
            options.append(UNSAYABLE if value is None else f"--set {shlex.quote(setting)}")
    return options


def _differing(mine: Mapping[str, Any], other: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in {**dict.fromkeys(mine), **other}.items():
        own = mine.get(key)
        if isinstance(value, dict) and isinstance(own, dict):
            yield from _differing(own, value, f"{above}{key}.")
        elif value != own:
            yield f"{above}{key}", value
