"""Finding and reading the TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import ValidationError

from ctrbench.api import ConfigError, DataError, explain
from ctrbench_plugins.datasets.table_file.files import format_of
from ctrbench_plugins.datasets.table_file.spec import Spec


def find_toml(root: Path) -> Path:
    """The TOML that `root` is, or the only one in it; `DataError` says what is there instead."""
    if root.is_file():
        if format_of(root) is not None:
            raise DataError(
                f"{root} is a table: name the TOML that describes it; `ctrbench data check {root} --write"
                f" {root.stem}.toml` writes one"
            )
        return root
    if not root.is_dir():
        raise DataError(
            f"{root} is not there: name the TOML that describes your files (`ctrbench data check` writes one)"
        )
    found = sorted(root.glob("*.toml"))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        raise DataError(f"{root} holds {len(found)} TOML files ({names}): name one of them")
    raise DataError(
        f"{root} holds no TOML that describes its files: `ctrbench data check FILE --write {root.name}.toml`"
    )


def read_spec(file: Path) -> Spec:
    """The TOML as a `Spec`; `ConfigError` in one sentence, with the line or the nearest key."""
    try:
        raw = tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML ({error}): correct it; text stands in quotes") from error
    try:
        return Spec.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(explain(error, Spec, str(file))) from None
