"""From what a user names, a folder or a source, to a prepared dataset."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ctrbench import registry
from ctrbench._version import __version__
from ctrbench.data.asking import asking
from ctrbench.errors import ConfigError, DataError, OutputError
from ctrbench.spelling import suggest
from ctrbench.validation import explain

if TYPE_CHECKING:
    from ctrbench.data.options import PrepareOptions
    from ctrbench.data.progress import Tell
    from ctrbench.data.source import DatasetSource
    from ctrbench.data.store import PreparedDataset


def cache_dir() -> Path:
    """Where ctrbench keeps what it can make again: `CTRBENCH_CACHE`, else the user's cache folder."""
    import platformdirs

    chosen = os.environ.get("CTRBENCH_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("ctrbench"))


def load_source(name: str, options: Mapping[str, Any] | None = None) -> DatasetSource:
    """A registered source with its options.

    Raises `PluginError` for an unknown name and `ConfigError`, with the nearest names, for a wrong option.
    """
    from ctrbench.data.taken import source_class

    kind = source_class(name)
    try:
        return kind(kind.Options.model_validate(dict(options or {})))
    except ValidationError as error:
        told = explain(error, kind.Options, f"the options of dataset {name!r}")
        rule = (options or {}).get("domain_by")
        if error.errors()[0]["loc"][:1] == ("domain_by",) and isinstance(rule, str):
            told += f"; every dataset takes 'new_user', 'user_group' and 'column:{rule}' (a column's values), too"
        raise ConfigError(told) from None


def sort_options(options: Mapping[str, Any], of_source: Collection[str]) -> tuple[PrepareOptions, dict[str, Any]]:
    """Options as those of the preparation, and the source's own; `of_source` are the names that a source has.

    A source's name for an option wins, but for values of `domain_by` that are meant for every source. Raises
    `ConfigError`, with the nearest names, for an option of neither, or a wrong value.
    """
    from ctrbench.data.domains import is_general
    from ctrbench.data.options import PrepareOptions

    general: dict[str, Any] = {}
    own: dict[str, Any] = {}
    check_scale(options, of_source)
    for key, value in options.items():
        if key not in of_source and key not in PrepareOptions.model_fields:
            known = suggest(key, {*of_source, *PrepareOptions.model_fields})
            raise ConfigError(f"{key}={value}: there is no option {key!r}.{known}")
        of_all = key == "domain_by" and is_general(value)
        (own if key in of_source and not of_all else general)[key] = value
    try:
        return PrepareOptions.model_validate(general), own
    except ValidationError as error:
        raise ConfigError(explain(error, PrepareOptions, "the options of the preparation")) from None


def check_scale(options: Collection[str], of_source: Collection[str]) -> None:
    """Raise `ConfigError` where a size is asked of a source that has none to choose; see `sort_options`."""
    if "scale" in options and "scale" not in of_source:
        raise ConfigError("--scale is for datasets made to order, and this one comes as it is: leave the option out")


def open_dataset(
    name_or_dir: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    progress: Tell | None = None,
) -> PreparedDataset:
    """Open a prepared folder, or a source that needs nothing from the user.

    Such a source is downloaded and prepared once, under `cache_dir()`, for each set of `options`: its own and those
    of the preparation. A folder that is prepared already must have been prepared with them. Raises `DataError` for a
    name that is neither, with the nearest names or how to prepare it.
    """
    from ctrbench.data.store import MANIFEST, PreparedDataset
    from ctrbench.data.taken import source_class

    path = Path(name_or_dir)
    if (path / MANIFEST).is_file():
        data = PreparedDataset.open(path)
        _check_prepared(data, options or {})
        return data
    name, known = str(name_or_dir), registry.names("datasets")
    if name not in known:
        if path.is_dir():
            raise DataError(f"{path} is not a prepared dataset (no {MANIFEST}): write one with `ctrbench data prepare`")
        what_next = _left_of(name) or suggest(name, known)
        raise DataError(f"{name!r} is neither a prepared dataset's folder nor a dataset.{what_next}")
    preparation, own = sort_options(options or {}, source_class(name).Options.model_fields)
    source = load_source(name, own)
    if not source.automatic:
        raise DataError(
            f"the dataset {name!r} needs its files: prepare them with"
            f" `ctrbench data prepare {name} --root FILES --out DIR`, then name DIR"
        )
    return _automatic(name, source, preparation, progress)


def _check_prepared(data: PreparedDataset, options: Mapping[str, Any]) -> None:
    """Raise `ConfigError` unless a dataset was prepared with these options; those of its source are not compared."""
    manifest = data.manifest
    own = [key for key in options if key not in manifest.options]
    if own:
        raise ConfigError(f"{data.path} is prepared already, so it takes no option {min(own)!r}; prepare another")
    governing: dict[str, Any] = {
        key: manifest.options[key] for key in ("split", "domain_by") if key in manifest.options
    }
    asked = sort_options({**governing, **options}, ())[0].model_dump(mode="json")
    plugin = manifest.registered
    for key in options:
        if asked[key] != manifest.options[key]:
            raise ConfigError(
                f"{data.path} was prepared with {key}={manifest.options[key]}, not {key}={asked[key]}: prepare another"
                f" with `ctrbench data prepare {plugin} … -o {key}={asked[key]} --out DIR`, and name that"
            )


def _automatic(name: str, source: DatasetSource, preparation: PrepareOptions, progress: Tell | None) -> PreparedDataset:
    from filelock import FileLock

    from ctrbench.data.prepare import prepare
    from ctrbench.data.progress import Stage
    from ctrbench.data.store import MANIFEST, PreparedDataset

    out = _cached("datasets", name, source, preparation.model_dump(mode="json"))
    with FileLock(f"{out}.lock"):  # another process may be preparing the same
        if (out / MANIFEST).is_file():
            return PreparedDataset.open(out)
        if progress is not None:
            progress(Stage("getting the files"))
        return prepare(source, raw_files(name, source), out, preparation, source_name=name, progress=progress)


def _left_of(name: str) -> str:
    """What to say after the name of a dataset whose plugin is gone, and of which something prepared is left."""
    from ctrbench.data.store import MANIFEST

    places = (cache_dir() / "datasets").glob(f"*-*/{MANIFEST}")
    left = [place for place in places if place.parent.name.rpartition("-")[0] == name]
    if not left:
        return ""
    latest = max(left, key=lambda place: place.stat().st_mtime).parent
    return f" It is no longer installed: name what was prepared of it, {latest}, or install its package again."


def raw_files(name: str, source: DatasetSource) -> Path:
    """The files of a source that gets them by itself, under `cache_dir()`."""
    raw = _cached("raw", name, source)
    with asking(name, raw, "a download"):
        source.download(raw)
    return raw


def _cached(kind: str, name: str, source: DatasetSource, *further: dict[str, Any]) -> Path:
    """A place in the cache for a source with its options and `further` ones, whose parent folder is there."""
    about = json.dumps([source.options.model_dump(mode="json"), source.version, __version__, *further], sort_keys=True)
    folder = cache_dir() / kind / f"{name}-{hashlib.sha256(about.encode()).hexdigest()[:12]}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the cache {cache_dir()} cannot be written ({error.strerror}): set CTRBENCH_CACHE"
        ) from error
    return folder
