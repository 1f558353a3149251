"""The tables that a command names, each with its data and plan. Among several, one that does not fit is a sentence."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ctrbench.bench import catalog
from ctrbench.bench.catalog import ALL
from ctrbench.bench.checks import Check, Checks
from ctrbench.bench.spec import BEYOND, TableSpec
from ctrbench.cli.job import Job, Opened, check_results, check_table, find_table, job, plan_table
from ctrbench.errors import ConfigError, CtrbenchError, LostProcess
from ctrbench.report.export import Export, check_names, exports
from ctrbench.report.measures import AUC, METRIC_KINDS
from ctrbench.spelling import suggest

if TYPE_CHECKING:
    from ctrbench.bench.plan import Plan
    from ctrbench.data.store import PreparedDataset


@dataclass
class Jobs:
    """What is to be done, and why some of what was asked for is not."""

    several: bool
    """Whether more than one table was asked for: then a table's fault does not end the others."""
    jobs: list[Job] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)
    """Each sentence with the tables that it is about."""
    left_out: list[str] = field(default_factory=list)
    """Tables that have none of the models that were asked for."""
    check: Check = field(default_factory=Checks)
    """Looks whether runs could be trained; each of several tables is looked at by itself, and what they share once."""
    exports: dict[str, list[Export]] = field(default_factory=dict)
    """What is to be written of each table (--save)."""

    @property
    def work(self) -> list[tuple[Plan, PreparedDataset]]:
        """The plans, each with its data."""
        return [(job.plan, job.data) for job in self.jobs]

    @contextmanager
    def one(self, table: str) -> Iterator[None]:
        """Work on one table: its `CtrbenchError` becomes a fault where there are others, and else goes through."""
        try:
            yield
        except CtrbenchError as error:
            if not self.several or isinstance(error, LostProcess):
                raise
            self.tell_of(table, str(error))

    def add(self, job: Job) -> None:
        """One more table; what its plan leaves out are faults."""
        self.jobs.append(job)
        for sentence in job.left_out:
            self.tell_of(job.table.name, sentence)

    def tell_of(self, table: str, sentence: str) -> None:
        """Each sentence has each table once, however often it is found out."""
        tables = self.faults.setdefault(sentence, [])
        if table not in tables:
            tables.append(table)

    def check_exports(self, args: argparse.Namespace) -> None:
        """Find mistakes in --save and --figure, and places that cannot be written, before anything is trained."""
        check_names(args.save, args.figure, several=self.several)
        for table in [each.table for each in self.jobs] if args.save else ():
            with self.one(table.name):
                self.exports[table.name] = exports(args.save, table, args.figure)

    def tell(self, *, quiet: bool) -> int:
        """Say on stderr what is not among the tables and why; the exit code of that."""
        if self.left_out and not quiet:
            print(f"ctrbench: without any of --models, and left out: {', '.join(self.left_out)}", file=sys.stderr)
        for sentence, tables in self.faults.items():
            print(f"ctrbench: {', '.join(tables)}: {sentence}", file=sys.stderr)
        return 2 if self.faults else 0


def jobs(args: argparse.Namespace) -> Jobs:
    """The plans of `args.tables`, in which `all` stands for every registered table.

    Among several tables, `--models`, `--set`, `--target` and `--metric` apply to those that they fit; `ConfigError`
    where they fit none.
    """
    names, several = _names(args.tables)
    found = Jobs(several)
    if not several:
        found.add(job(args, names[0]))
        return found
    if ALL in args.tables:
        found.faults = {fault: ["a table plugin"] for fault in catalog.survey().faults}
    check_results(args.results)
    specs = []
    for name in names:
        with found.one(name):
            spec, faults = find_table(args, name)
            specs.append(spec)
            for fault in faults:
                found.tell_of(spec.name, fault)
    _check_options(args, specs)
    opened: Opened = {}
    for own, spec in _checked(args, specs, found):
        with found.one(spec.name):
            found.add(plan_table(own, spec, opened))
    return found


def _checked(
    args: argparse.Namespace, specs: Iterable[TableSpec], found: Jobs
) -> list[tuple[argparse.Namespace, TableSpec]]:
    """Tables that may be planned, each with the options that are for it. What needs no data to be seen is seen here."""
    asked = [(_own_options(args, spec), spec) for spec in specs]
    without = [spec for own, spec in asked if args.models and spec.models and not own.models]
    found.left_out += [spec.name for spec in without]
    ready = []
    for own, spec in asked:
        if spec not in without:
            with found.one(spec.name):
                check_table(own, spec)
                ready.append((own, spec))
    set_for = [spec.name for own, spec in asked if own.overrides and spec not in without]
    if set_for and not any(own.overrides for own, _ in ready):
        raise ConfigError([fault for fault, tables in found.faults.items() if set_for[0] in tables][-1])
    return ready


def _names(words: Iterable[str]) -> tuple[list[str], bool]:
    """The tables' names, each once, and whether several were asked for."""
    words = list(words)
    if ALL in words and len(words) > 1:
        others = " and ".join(word for word in words if word != ALL) or ALL
        raise ConfigError(f"`all` stands for every table; leave it out to have {others} alone, or leave out the others")
    every = list(catalog.survey().found) if ALL in words else []
    if ALL in words and not every:
        raise ConfigError("no table is installed; name a .toml file")
    names = list(dict.fromkeys(name for word in words for name in (every if word == ALL else [word])))
    return names, ALL in words or len(names) > 1


def _check_options(args: argparse.Namespace, specs: Collection[TableSpec]) -> None:
    """Raise where an option is for none of the tables."""
    rows = {name for spec in specs for name in _rows(spec, args.profile)}
    for model in args.models or ():
        if model not in rows:
            raise ConfigError(f"--models: none of these tables has {model!r}.{suggest(model, rows)}")
    for text in args.overrides:
        if (model := _model(text)) not in rows:
            raise ConfigError(f"--set {text}: none of these tables runs the model {model!r}.{suggest(model, rows)}")
    if args.target and not any(spec.kind in BEYOND for spec in specs):
        raise ConfigError("--target is for zero-shot tables and new domains, and none of these tables is one")
    if getattr(args, "metric", AUC.name) != AUC.name and not any(spec.kind in METRIC_KINDS for spec in specs):
        raise ConfigError(f"--metric is for tables of kind {', '.join(METRIC_KINDS)}, and none of these is one")


def _own_options(args: argparse.Namespace, spec: TableSpec) -> argparse.Namespace:
    """The options as far as they are for this table."""
    rows = _rows(spec, args.profile)
    changes = {
        "models": [model for model in args.models if model in rows] if args.models else None,
        "overrides": [text for text in args.overrides if _model(text) in rows],
        "target": args.target if spec.kind in BEYOND else None,
        "metric": metric_for(spec, args),
    }
    return argparse.Namespace(**{**vars(args), **changes})


def metric_for(spec: TableSpec, args: argparse.Namespace) -> str:
    """Which metric one of several tables shows: the one asked for, where it can."""
    return getattr(args, "metric", AUC.name) if spec.kind in METRIC_KINDS else AUC.name


def _rows(spec: TableSpec, profile: str) -> set[str]:
    """What `--models` and `--set` may name: a table's rows, and the models behind them."""
    rows = spec.profile(profile).models or spec.models
    return {name for row in rows for name in (row, spec.model_of(row))}


def _model(override: str) -> str:
    return override.partition(".")[0].strip()
