"""From a source's tables to canonical rows: the steps of a preparation, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from ctrbench.data import checks, domains, steps
from ctrbench.data.canonical import Canonical
from ctrbench.data.history import POSITIVE, find_histories
from ctrbench.data.problems import Problems
from ctrbench.data.progress import Stage, Tell
from ctrbench.data.source import DatasetSource
from ctrbench.data.split import SPLITS, add_split
from ctrbench.data.store import Step
from ctrbench.errors import DataError

if TYPE_CHECKING:
    from ctrbench.data.options import PrepareOptions

EMPTY_SPLIT = "no rows in the split"
HISTORY = "history"
OWN_HISTORY = "history of the data's own: whether it shows what came later cannot be told"


def canonical_rows(
    source: DatasetSource, root: Path, options: PrepareOptions, problems: Problems, tell: Tell
) -> tuple[Canonical, list[Step], dict[str, str]]:
    """A source's rows and items as every model sees them; the steps on the way; domains and their titles."""
    counted, items, titles = _counted(source, root, options, problems, tell)
    tell(Stage("ordering, histories, splits"))
    rows = _canonical(counted, items, options, problems)
    return rows, [*counted.steps, *_split_steps(rows, counted.domains, problems)], titles


def _counted(
    source: DatasetSource,
    root: Path,
    options: PrepareOptions,
    problems: Problems,
    tell: Tell,
) -> tuple[steps.Counted, pl.DataFrame, dict[str, str]]:
    """The rows that stay, with labels and numbers for ids; the items; the domains and their titles."""
    tell(Stage("reading items"))
    items = steps.distinct_items(steps.require(source.items(root, problems), ["item"], "items"), problems)
    tell(Stage("reading interactions"))
    counted = _read(source, root, problems)
    tell(Stage("numbering items and users, labels"))
    steps.number_items(counted, items)
    steps.number_users(counted)
    if options.dedupe:
        steps.drop_repeats(counted)
    steps.add_labels(counted, options.positive_above, options.middle)
    if counted.rows.is_empty():
        raise DataError(f"{root} has no usable row{_first_example(problems)}: check the files")
    checks.check_labels(counted.rows)
    checks.check_users(counted.rows, counted.ids["user"], problems)
    titles = {domain: source.domain_titles.get(domain, domain.replace("_", " ").title()) for domain in counted.domains}
    if options.domain_by is not None:
        titles = _derive(counted, items, options.domain_by, options)
    checks.check_domain_names(titles)
    checks.check_domain_labels(counted.rows, problems)
    return counted, items, titles


def _read(source: DatasetSource, root: Path, problems: Problems) -> steps.Counted:
    """The source's whole rows; nothing else keeps what was read in memory."""
    lazy = source.interactions(root, problems)
    needed = ["domain", "user", "item", "time", steps.target_of(lazy)]
    rows = steps.require(lazy, needed, "interactions")
    checks.check_columns(rows, needed)
    counted = steps.Counted(rows, steps.domain_order(rows, source.domains()), problems)
    steps.drop_incomplete(counted, needed)
    checks.check_times(counted.rows, problems)
    return counted


def _derive(counted: steps.Counted, items: pl.DataFrame, by: str, options: PrepareOptions) -> dict[str, str]:
    """Give the rows derived domains; their titles. Of copies in two of the source's domains the first stands."""
    derived = domains.derive_domains(
        counted.rows,
        items,
        by,
        new_user_rows=options.new_user_rows,
        train=options.train,
        groups=options.domain_groups,
    )
    counted.rows = derived.rows
    counted.set_domains(tuple(derived.titles))
    counted.steps.append(Step(name=f"domains by {by}", rows=counted.counts()))
    if options.dedupe:
        steps.drop_repeats(counted)
    return dict(derived.titles)


def _canonical(counted: steps.Counted, items: pl.DataFrame, options: PrepareOptions, problems: Problems) -> Canonical:
    """The rows in canonical order, with their splits and histories."""
    rows, users = steps.canonical_order(counted)
    rows = add_split(rows, options.split, options.train, options.valid, options.split_seed).drop("row_id")
    if HISTORY in rows.columns:
        return Canonical(_own_history(rows, options.window, problems), users, items, None)
    keys = ("user_index",) if options.history == "all" else ("user_index", "domain")
    shown = POSITIVE & (pl.col("split") == "train") if options.split == "random" else POSITIVE
    return Canonical(rows, users, items, find_histories(rows, options.window, keys, shown))


def _own_history(rows: pl.DataFrame, window: int, problems: Problems) -> pl.DataFrame:
    """The histories that the data brings, the newest `window` items of each."""
    problems.add(OWN_HISTORY, rows.height, error=False)
    return rows.with_columns(pl.col(HISTORY).list.tail(window))


def _split_steps(rows: Canonical, domains: Sequence[str], problems: Problems) -> list[Step]:
    """The rows of each split; an empty one is worth a word."""
    made = []
    for split in SPLITS:
        found = rows.counts(split)
        made.append(Step(name=split, rows={domain: found.get(domain, 0) for domain in domains}))
        for domain, count in made[-1].rows.items():
            if count == 0:
                problems.add(f"{EMPTY_SPLIT} {split!r}", 1, domain=domain, error=False)
    return made


def _first_example(problems: Problems) -> str:
    for problem in problems.entries:
        if problem.error and problem.examples:
            return f" ({problem.reason}: {problem.examples[0]})"
    return ""
