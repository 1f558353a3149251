"""A new plugin's files, from templates."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctrbench._version import API_VERSION, __version__
from ctrbench.errors import OutputError
from ctrbench.files import whole_folder
from ctrbench.scaffold.kinds import KINDS, Kind
from ctrbench.scaffold.names import Names
from ctrbench.scaffold.surroundings import Surroundings, random_backbone, surroundings

_ADVICE = "choose another folder with --out"


@dataclass(frozen=True)
class Written:
    """A new package: where it is, what it is, and the commands that come next."""

    folder: Path
    what: str
    next_steps: tuple[str, ...]


def write(name: str, kind_name: str, out: Path | None = None) -> Written:
    """Write a package with a plugin of one of `KINDS`, whole or not at all, to `out` or a folder of its name.

    Raises `ConfigError` for a name that is illegal or taken, `OutputError` where something is at that place, or
    nothing can be written there.
    """
    kind = KINDS[kind_name]
    names = Names.of(name, kind)
    folder = out if out is not None else Path(names.distribution)
    if os.path.lexists(folder):
        raise OutputError(f"{folder} is there already, and is left as it is; {_ADVICE}")
    around = surroundings()
    texts = files(names, kind, around)
    with whole_folder(folder, f"free space, or {_ADVICE}") as beside:
        for path, text in texts.items():
            (beside / path).parent.mkdir(parents=True, exist_ok=True)
            (beside / path).write_text(text, "utf-8")
    what = f"the {kind.what} {names.package!r}, in {folder / 'src' / names.package / kind.file(names.package)}"
    return Written(folder, what, _next_steps(folder, trial(names, kind, around)))


def files(names: Names, kind: Kind, around: Surroundings) -> dict[str, str]:
    """Every file's text, by its path in the new folder."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ctrbench.scaffold"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    known = _known(names, kind, around)
    return {path: environment.get_template(f"{name}.jinja").render(known) for path, name in _templates(names, kind)}


def trial(names: Names, kind: Kind, around: Surroundings) -> str:
    """The command that shows the new plugin at work."""
    options = {
        "models": f"--models {names.package}",
        "datasets": f"--dataset {names.package}",
        "backbones": f"--models {around.text_model} --set {around.text_model}.config.backbone={names.package}",
    }
    if kind.registered == "tables":
        return f"ctrbench run {names.package}"
    return f"ctrbench run {around.table} {options[kind.registered]}"


def _templates(names: Names, kind: Kind) -> list[tuple[str, str]]:
    """Path -> template. What a package consists of beside its plugin is the same for every kind."""
    package = f"src/{names.package}"
    return [
        ("pyproject.toml", "common/pyproject.toml"),
        ("setup.cfg", "common/setup.cfg"),
        ("README.md", "common/README.md"),
        (f"{package}/__init__.py", "common/__init__.py"),
        (f"{package}/{kind.file(names.package)}", f"{kind.name}/plugin"),
        (f"tests/test_{names.package}.py", f"{kind.name}/tests"),
    ]


def _known(names: Names, kind: Kind, around: Surroundings) -> Mapping[str, Any]:
    """What templates are filled with."""
    return {
        "distribution": names.distribution,
        "package": names.package,
        "class_name": names.class_name,
        "kind": kind,
        "api_version": API_VERSION,
        "file": kind.file(names.package),
        "entry_point": kind.entry_point(names.package, names.class_name),
        "minor": ".".join(__version__.split(".")[:2]),
        "around": around,
        "trial": trial(names, kind, around),
        "random_backbone": random_backbone() if kind.name == "text-model" else "",
    }


def _next_steps(folder: Path, trial: str) -> tuple[str, ...]:
    place = shlex.quote(str(folder))
    # A folder of one word would be taken for a distribution of that name.
    local = place if os.sep in place else f".{os.sep}{place}"
    return (f"python -m pip install -e {local} pytest", f"python -m pytest {place}", trial)
