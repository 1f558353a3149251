"""From a source's raw files to a prepared dataset: the same steps for every source, once for all models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ctrbench._version import __version__
from ctrbench.data import steps
from ctrbench.data.fingerprint import file_hash, frames_hash
from ctrbench.data.history import POSITIVE, add_history
from ctrbench.data.problems import Problems
from ctrbench.data.source import DatasetSource
from ctrbench.data.split import SPLITS, SplitRule, add_split
from ctrbench.data.store import MANIFEST, InputFile, Manifest, PreparedDataset, Step, write_dataset
from ctrbench.errors import DataError
from ctrbench.files import whole_folder

EMPTY_SPLIT = "no rows in the split"


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
    tell("hashing the input files")
    inputs = [_input(path, root) for path in source.inputs(root)]
    asked: dict[str, object] = {
        "source": source_name,
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
        items, rows, done = _canonical(source, root, options, problems, tell)
        splits = {str(name): rows.filter(pl.col("split") == name).drop("split") for name in SPLITS}
        done += _split_steps(splits, done[-1].rows, problems)
        tell("writing")
        shape = _shape(source, list(done[0].rows))
        found = {"steps": done, "problems": problems.entries, "synthetic": source.synthetic}
        fingerprint = frames_hash({"items": items, **splits}, about=shape)
        manifest = Manifest.model_validate({**asked, **shape, **found, "fingerprint": fingerprint})
        write_dataset(folder, items, splits, manifest)
    return PreparedDataset.open(out)


def _canonical(
    source: DatasetSource,
    root: Path,
    options: PrepareOptions,
    problems: Problems,
    tell: Callable[[str], None],
) -> tuple[pl.DataFrame, pl.DataFrame, list[Step]]:
    """Items, and rows with labels, indices, histories and their split; and the steps on the way."""
    tell("reading items")
    items = steps.distinct_items(steps.require(source.items(root, problems), ["item"], "items"), problems)
    tell("reading interactions")
    lazy = source.interactions(root, problems)
    needed = ["domain", "user", "item", "time", steps.target_of(lazy)]
    rows = steps.require(lazy, needed, "interactions")
    domains = steps.domain_order(rows, source.domains())
    counted = steps.Counted(rows, domains, problems)
    steps.drop_incomplete(counted, needed)
    steps.drop_unknown_items(counted, items)
    if options.dedupe:
        steps.drop_repeats(counted)
    steps.add_labels(counted, options.positive_above, options.middle)
    if counted.rows.is_empty():
        raise DataError(f"{root} has no usable row{_first_example(problems)}: check the files")
    tell("ordering, histories, splits")
    rows = steps.canonical_order(counted.rows, items, domains)
    rows = add_split(rows, options.split, options.train, options.valid, options.split_seed)
    keys = ("user_index",) if options.history == "all" else ("user_index", "domain")
    shown = POSITIVE & (pl.col("split") == "train") if options.split == "random" else POSITIVE
    return items, add_history(rows, options.window, keys, shown).drop("item_index"), counted.steps


def _split_steps(splits: Mapping[str, pl.DataFrame], domains: dict[str, int], problems: Problems) -> list[Step]:
    """The rows of each split; an empty one is worth a word."""
    made = []
    for split, rows in splits.items():
        found = dict(rows.group_by("domain").len().iter_rows())
        made.append(Step(name=split, rows={domain: found.get(domain, 0) for domain in domains}))
        for domain, count in made[-1].rows.items():
            if count == 0:
                problems.add(f"{EMPTY_SPLIT} {split!r}", 1, domain=domain, error=False)
    return made


def _shape(source: DatasetSource, domains: list[str]) -> dict[str, object]:
    """What a model is told about the columns, as the manifest and the fingerprint hold it."""
    titles = {domain: source.domain_titles.get(domain, domain.replace("_", " ").title()) for domain in domains}
    return {
        "domains": titles,
        "fields": [field.model_dump() for field in source.fields],
        "prompts": {name: prompt.model_dump() for name, prompt in source.prompts.items()},
    }


def _input(path: Path, root: Path) -> InputFile:
    try:
        name = path.relative_to(root).as_posix()
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
