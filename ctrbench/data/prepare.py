"""From a source's raw files to a prepared dataset: the same steps for every source, once for all models."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ctrbench import registry
from ctrbench._version import __version__
from ctrbench.data import checks, domains, steps
from ctrbench.data.canonical import Canonical
from ctrbench.data.fingerprint import file_hash
from ctrbench.data.history import POSITIVE, find_histories
from ctrbench.data.problems import Problems
from ctrbench.data.source import DatasetSource
from ctrbench.data.split import SPLITS, SplitRule, add_split
from ctrbench.data.store import MANIFEST, InputFile, Manifest, PreparedDataset, Step
from ctrbench.data.writing import in_slices, write_manifest, write_tables
from ctrbench.errors import ConfigError, DataError
from ctrbench.files import whole_folder

EMPTY_SPLIT = "no rows in the split"
HISTORY = "history"
OWN_HISTORY = "history of the data's own: whether it shows what came later cannot be told"


class PrepareOptions(BaseModel):
    """How rows become labelled, split and given a history. Defaults are the benchmark's; one split for all.

    window: items in a history. positive_above: a higher rating is positive (label 1).
    middle: what a rating equal to `positive_above` is. The paper says negative; its code drops such rows.
    train, valid: shares of a domain's rows; the rest is the test split. The paper says 0.8 and 0.1; its code
      takes 0.81 and 0.09.
    split: `time` per domain, as the paper; `global_time` cuts all domains at the same two moments, so that no
      training history shows another domain's test period; `random` draws the rows of each domain, for data
      without usable times, or as published results on MovieLens do. Its test rows are of all times, so its
      histories are made of train rows only: else they would show a model the labels that it is tested on.
    split_seed: of the random split.
    dedupe: of rows with one domain, user, item and time the first stands. The paper's code keeps all.
    history: items of `all` domains, as the paper, or of the row's own `domain` only.
    domain_by: other domains than the source's: `new_user`, `user_group`, or a column (`column:NAME`); see
      `ctrbench.data.domains`. The source's stand in the column `source_domain`.
    new_user_rows: a user with fewer interactions before a row is new to it (domain_by=new_user).
    domain_groups: domains that a column of numbers is cut into.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: int = Field(5, ge=0, le=1000)
    positive_above: float = 3.0
    middle: Literal["negative", "drop"] = "negative"
    train: float = Field(0.8, gt=0, lt=1)
    valid: float = Field(0.1, ge=0, lt=1)
    split: SplitRule = "time"
    split_seed: int = Field(0, ge=0, lt=2**32)
    dedupe: bool = True
    history: Literal["all", "domain"] = "all"
    domain_by: str | None = Field(None, min_length=1)
    new_user_rows: int = Field(5, ge=1, le=1000)
    domain_groups: int = Field(4, ge=2, le=domains.MOST)

    @model_validator(mode="after")
    def _leaves_test_rows(self) -> Self:
        if self.train + self.valid >= 1:
            raise ValueError(f"train {self.train} and valid {self.valid} leave no test rows")
        return self


def prepare(
    source: DatasetSource,
    root: Path,
    out: Path,
    options: PrepareOptions | None = None,
    *,
    strict: bool = False,
    overwrite: bool = False,
    source_name: str,
    progress: Callable[[str], None] | None = None,
) -> PreparedDataset:
    """Prepare a source's files under `root` into the folder `out`, which appears whole or not at all.

    Where `out` was already prepared from the same files and options it is opened as it is. `strict`: the
    first bad row is a `DataError`. `overwrite`: replace another prepared dataset at `out`. `progress` is told
    each stage in a few words. Raises `DataError` for files that cannot be used, `OutputError` for an `out`
    that cannot be written.
    """
    options, tell = options or PrepareOptions(), progress or (lambda stage: None)
    source = source.at(root)
    tell("hashing the input files")
    inputs = [_input(path, root) for path in source.inputs(root)]
    checks.check_inputs(inputs)
    asked: dict[str, object] = {
        "source": _called(source, source_name),
        "plugin": source_name,
        "source_version": source.version,
        "source_options": source.options.model_dump(mode="json"),
        "options": options.model_dump(mode="json"),
        "inputs": inputs,
        "ctrbench_version": __version__,
    }
    ready = _existing(out, asked, overwrite)
    if ready is not None and not (strict and any(p.error for p in ready.manifest.problems)):
        tell("already prepared from the same files and options")
        return ready
    with whole_folder(out, "free space, or choose another folder (--out)") as folder:
        problems = Problems(strict)
        counted, items, titles = _counted(source, root, options, problems, tell)
        tell("ordering, histories, splits")
        rows = _canonical(counted, items, options, problems)
        done = [*counted.steps, *_split_steps(rows, counted.domains, problems)]
        tell("writing")
        shape = _shape(source, titles)
        tables = {"items": in_slices(items), **{split: rows.slices(split) for split in SPLITS}}
        fingerprint = write_tables(folder, tables, about=shape)
        own = any(problem.reason == OWN_HISTORY for problem in problems.entries)
        found = {"steps": done, "problems": problems.entries, "synthetic": source.synthetic, "own_history": own}
        write_manifest(folder, Manifest.model_validate({**asked, **shape, **found, "fingerprint": fingerprint}))
    return PreparedDataset.open(out)


def _counted(
    source: DatasetSource,
    root: Path,
    options: PrepareOptions,
    problems: Problems,
    tell: Callable[[str], None],
) -> tuple[steps.Counted, pl.DataFrame, dict[str, str]]:
    """The rows that stay, with labels and numbers for ids; the items; the domains and their titles."""
    tell("reading items")
    items = steps.distinct_items(steps.require(source.items(root, problems), ["item"], "items"), problems)
    tell("reading interactions")
    counted = _read(source, root, problems)
    tell("numbering items and users, labels")
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


def _canonical(counted: steps.Counted, items: pl.DataFrame, options: PrepareOptions, problems: Problems) -> Canonical:
    """The rows in canonical order, with their splits and histories."""
    rows, users = steps.canonical_order(counted)
    rows = add_split(rows, options.split, options.train, options.valid, options.split_seed).drop("row_id")
    if HISTORY in rows.columns:
        return Canonical(_own_history(rows, options.window, problems), users, items, None)
    keys = ("user_index",) if options.history == "all" else ("user_index", "domain")
    shown = POSITIVE & (pl.col("split") == "train") if options.split == "random" else POSITIVE
    return Canonical(rows, users, items, find_histories(rows, options.window, keys, shown))


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


def _own_history(rows: pl.DataFrame, window: int, problems: Problems) -> pl.DataFrame:
    """The histories that the data brings, the newest `window` items of each."""
    problems.add(OWN_HISTORY, rows.height, error=False)
    return rows.with_columns(pl.col(HISTORY).list.tail(window))


def _called(source: DatasetSource, source_name: str) -> str:
    """The dataset's own name, else the source's; another source's name would mix their results."""
    if source.name in registry.names("datasets") and source.name != source_name:
        raise ConfigError(f"the dataset is named {source.name!r}, as a dataset plugin is: give it another name")
    return source.name or source_name


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


def _shape(source: DatasetSource, titles: dict[str, str]) -> dict[str, object]:
    """What a model is told about the columns, as the manifest and the fingerprint hold it."""
    return {
        "domains": titles,
        "fields": [field.model_dump() for field in source.fields],
        "prompts": {name: prompt.model_dump() for name, prompt in source.prompts.items()},
    }


def _input(path: Path, root: Path) -> InputFile:
    try:
        name = Path(os.path.relpath(path, root if root.is_dir() else root.parent)).as_posix()
        return InputFile(path=name, sha256=file_hash(path), bytes=path.stat().st_size)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error


def _existing(out: Path, asked: dict[str, object], overwrite: bool) -> PreparedDataset | None:
    """What stands at `out`, if it is what is asked for; `DataError` if it may not be replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not (out / MANIFEST).is_file():
        raise DataError(f"{out} exists and is not a prepared dataset: choose another --out")
    try:
        ready = PreparedDataset.open(out)
    except DataError:
        if overwrite:
            return None
        raise
    if all(getattr(ready.manifest, name) == value for name, value in asked.items()):
        return ready
    if overwrite:
        return None
    raise DataError(f"{out} holds a dataset prepared from other files or options: add --overwrite to replace it")


def _first_example(problems: Problems) -> str:
    for problem in problems.entries:
        if problem.error and problem.examples:
            return f" ({problem.reason}: {problem.examples[0]})"
    return ""
