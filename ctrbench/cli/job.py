"""From the options of a verb to one table, its data and its plan."""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ctrbench.bench.gone import gone, stored_of, unknown
from ctrbench.bench.rows import check_rows
from ctrbench.bench.settings import Differences, parse_overrides
from ctrbench.bench.spec import TableSpec
from ctrbench.cli.data.source_options import as_mapping
from ctrbench.cli.stages import telling
from ctrbench.data.progress import Stage
from ctrbench.errors import ConfigError, CtrbenchError, PluginError
from ctrbench.report.measures import AUC, METRIC_KINDS

if TYPE_CHECKING:
    from ctrbench.bench.plan import Plan
    from ctrbench.data.store import PreparedDataset

Opened = dict[str, "PreparedDataset"]
"""Datasets that are open, by what was asked for."""


@dataclass(frozen=True)
class Job:
    """A table, its data, and the plan that follows from the options."""

    table: TableSpec
    data: PreparedDataset
    plan: Plan
    left_out: tuple[str, ...] = ()
    """A sentence for each row that is not in the plan, and for what of the spec is faulty."""


def job(args: argparse.Namespace, table: str) -> Job:
    """Table, data and plan; mistakes that need no data to be seen are found before it is touched."""
    check_results(args.results)
    spec, faults = find_table(args, table)
    check_table(args, spec)
    planned = plan_table(args, spec, {})
    return replace(planned, left_out=(*faults, *planned.left_out))


def find_table(args: argparse.Namespace, name: str) -> tuple[TableSpec, list[str]]:
    """A table's spec; where nothing is trained, without its unknown keys and faulty claims, and what these are."""
    faults: list[str] = []
    return TableSpec.find(name, faults if getattr(args, "trains_nothing", False) else None), faults


def check_results(results: Path) -> None:
    """Raise `ConfigError` where a file stands in the way of the results folder."""
    for place in (results, *results.parents):
        if place.is_file():
            which = "" if place == results else f": {place}"
            raise ConfigError(f"--results {results}{which} is a file; name a folder")


def check_table(args: argparse.Namespace, spec: TableSpec) -> None:
    """Raise a `CtrbenchError` for what is wrong with a table or the options whatever the data is."""
    metric = getattr(args, "metric", AUC.name)  # of the verbs that show tables
    if metric != AUC.name and spec.kind not in METRIC_KINDS:
        raise ConfigError(f"--metric is for tables of kind {', '.join(METRIC_KINDS)}; {spec.name} is {spec.kind}")
    from ctrbench.bench.facts import check_overrides, check_settings

    # Names first, which cost nothing: models are imported after that.
    rows = args.models or spec.profile(args.profile).models or spec.models
    check_overrides(spec, rows, parse_overrides(args.overrides))
    models, absent = _rows_here(args, spec)
    try:
        check_rows(spec, args.profile, models)
    except CtrbenchError as error:
        raise type(error)(" ".join([str(error), *stored_of(spec, rows, args.results)])) from None
    check_settings(spec, models, args.profile, _overrides(args, absent))


def plan_table(args: argparse.Namespace, spec: TableSpec, opened: Opened) -> Job:
    """One table's data, from `opened` where another table asked for the same, and its plan."""
    models, absent = _rows_here(args, spec)
    data = _data(args, spec, opened)
    from ctrbench.bench.plan import plan

    with telling(quiet=args.quiet) as tell:
        if tell is not None:
            tell(Stage(f"planning {spec.name}"))
        planned = plan(
            spec,
            data,
            profile=args.profile,
            models=models,
            domains=args.domains,
            targets=args.target,
            seeds=args.seeds,
            limit=args.limit,
            overrides=_overrides(args, absent),
        )
    return Job(spec, data, replace(planned, left_out=tuple(absent)), tuple(absent.values()))


def _rows_here(args: argparse.Namespace, spec: TableSpec) -> tuple[Sequence[str] | None, dict[str, str]]:
    """What to ask of a plan, and why other rows cannot be among it: their models are broken, gone, or misspelt.

    A misspelt one ends a command that would train, and one that --models names ends any.
    """
    from ctrbench.bench.broken import broken

    rows = args.models or spec.profile(args.profile).models or spec.models
    absent = broken(spec, rows)
    if getattr(args, "trains_nothing", False):
        absent |= ({} if args.models else unknown(spec, rows)) | gone(spec, rows, args.results)
    if not absent:
        return args.models, {}
    here = [row for row in rows if row not in absent]
    if not here:
        raise PluginError(next(iter(absent.values())))
    return here, absent


def _overrides(args: argparse.Namespace, absent: Collection[str]) -> dict[str, Differences]:
    """What --set says of rows that are there."""
    return {name: asked for name, asked in parse_overrides(args.overrides).items() if name not in absent}


def _data(args: argparse.Namespace, spec: TableSpec, opened: Opened) -> PreparedDataset:
    profile = spec.profile(args.profile)
    name = args.dataset or profile.dataset
    if name is None:
        raise ConfigError(f"profile {args.profile!r} of {spec.name} names no dataset; give --dataset NAME_OR_DIR")
    wanted = {**spec.options, **profile.options, **as_mapping(args.options)}
    key = json.dumps([str(name), wanted], sort_keys=True, default=str)
    if key not in opened:
        from ctrbench.data import resolve, stand_in

        # Nobody trains on a stand-in: `check` alone may take one.
        open_dataset = stand_in.open_or_stand_in if getattr(args, "stand_in", False) else resolve.open_dataset
        with telling(quiet=args.quiet) as tell:
            opened[key] = open_dataset(name, options=wanted, progress=tell)
    return opened[key]
