"""From a source's raw files to a prepared dataset: the same steps for every source, once for all models."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl

from ctrbench import registry
from ctrbench._version import __version__
from ctrbench.data import checks
from ctrbench.data.asking import asking
from ctrbench.data.canonical import Canonical
from ctrbench.data.doubts import doubts_of, tell_doubts
from ctrbench.data.fingerprint import file_hash
from ctrbench.data.options import PrepareOptions
from ctrbench.data.problems import Problems
from ctrbench.data.progress import Stage, Tell, silent
from ctrbench.data.rows import OWN_HISTORY, canonical_rows
from ctrbench.data.source import DatasetSource
from ctrbench.data.split import SPLITS
from ctrbench.data.store import MANIFEST, InputFile, Manifest, PreparedDataset
from ctrbench.data.writing import in_slices, write_manifest, write_tables
from ctrbench.errors import ConfigError, DataError
from ctrbench.files import whole_folder

_MADE = ("user", "item", "history")
"""Columns of rows that no table of a source needs to have."""


def prepare(
    source: DatasetSource,
    root: Path,
    out: Path,
    options: PrepareOptions | None = None,
    *,
    strict: bool = False,
    overwrite: bool = False,
    source_name: str,
    progress: Tell | None = None,
) -> PreparedDataset:
    """Prepare a source's files under `root` into the folder `out`, which appears whole or not at all.

    Where `out` was already prepared from the same files and options it is opened as it is. `strict`: the
    first bad row is a `DataError`. `overwrite`: replace another prepared dataset at `out`. `progress` is told
    each stage, and how far it is. Raises `DataError` for files that cannot be used, `OutputError` for an `out`
    that cannot be written.
    """
    options, tell = options or PrepareOptions(), progress or silent
    with asking(source_name, root, "its files"):
        source = source.at(root)
        inputs = _inputs(source.inputs(root), root, tell)
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
        tell(Stage("already prepared from the same files and options"))
        return ready
    with whole_folder(out, "free space, or choose another folder (--out)") as folder:
        problems = Problems(strict, tell)
        with asking(source_name, root, "its rows"):
            rows, done, titles = canonical_rows(source, root, options, problems, tell)
            shape = _shape(source, titles)
            checks.check_fields(source.fields, {*rows.rows.columns, *rows.items.columns, *_MADE})
            checks.check_prompts(source.prompts, rows.rows, rows.items)
        fingerprint = write_tables(folder, _telling(rows, tell), about=shape)
        own = any(problem.reason == OWN_HISTORY for problem in problems.entries)
        found = {"steps": done, "problems": problems.entries, "synthetic": source.synthetic, "own_history": own}
        found["brought_by"] = _brought_by(source_name)
        manifest = Manifest.model_validate({**asked, **shape, **found, "fingerprint": fingerprint})
        doubts = doubts_of(PreparedDataset(folder, manifest), source_name)
        write_manifest(folder, manifest.model_copy(update={"doubts": doubts}))
    data = PreparedDataset.open(out)
    tell_doubts(data, source_name)
    return data


def _called(source: DatasetSource, source_name: str) -> str:
    """The dataset's own name, else the source's; another source's name would mix their results."""
    if source.name not in (None, source_name) and source.name in registry.names("datasets"):
        raise ConfigError(f"the dataset is named {source.name!r}, as a dataset plugin is: give it another name")
    return source.name or source_name


def _brought_by(source_name: str) -> dict[str, str]:
    plugins = registry.plugins("datasets")
    return next((plugin.facts for plugin in plugins if plugin.name == source_name), {})


def _shape(source: DatasetSource, titles: dict[str, str]) -> dict[str, object]:
    """What a model is told about the columns, as the manifest and the fingerprint hold it."""
    return {
        "domains": titles,
        "fields": [field.model_dump() for field in source.fields],
        "prompts": {name: prompt.model_dump() for name, prompt in source.prompts.items()},
    }


def _inputs(paths: Sequence[Path], root: Path, tell: Tell) -> list[InputFile]:
    """The files that will be read, each with its hash."""
    done = total = 0

    def hear(read: int) -> None:
        nonlocal done
        done += read
        tell(Stage("hashing the input files", done, total, "bytes"))

    base = root if root.is_dir() else root.parent
    try:
        sizes = {path: path.stat().st_size for path in paths}
        total = sum(sizes.values())
        names = {path: Path(os.path.relpath(path, base)).as_posix() for path in paths}
        return [InputFile(path=names[path], sha256=file_hash(path, hear), bytes=sizes[path]) for path in paths]
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read ({error.strerror}): check the files") from error


def _telling(rows: Canonical, tell: Tell) -> dict[str, Iterable[pl.DataFrame]]:
    """The tables to write, slice by slice; as slices are taken, all rows written so far are told."""
    done, total = 0, rows.items.height + rows.rows.height

    def passing(slices: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        nonlocal done
        for part in slices:
            tell(Stage("writing", done, total))
            yield part
            done += part.height

    return {"items": passing(in_slices(rows.items)), **{str(split): passing(rows.slices(split)) for split in SPLITS}}


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
