"""From a backbone's name to its files: a plugin's answer, a local folder, or a hub id."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctrbench import registry
from ctrbench.errors import BackboneError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class BackboneFiles:
    """Where a backbone comes from: `path` (a local folder or a hub id at `revision`), or code that builds it.

    `build` makes a backbone with random weights, for tests and offline smoke runs; tables say when one was used.
    `advice` is what to do where it cannot be loaded.
    """

    name: str
    path: str = ""
    revision: str | None = None
    build: Callable[[], tuple[PreTrainedModel, PreTrainedTokenizerFast]] | None = None
    advice: str = "name a local folder, or another backbone"

    @property
    def random(self) -> bool:
        """True where the weights were never trained."""
        return self.build is not None


def resolve_backbone(name: str) -> BackboneFiles:
    """The files of backbone `name`: registered by a plugin, else a local folder, else a hub id `owner/name`."""
    if name in registry.names("backbones"):
        files = registry.load("backbones", name)(name)
        if files is not None:
            return files
    if Path(name).expanduser().is_dir():
        if not (Path(name).expanduser() / "config.json").is_file():
            raise BackboneError(f"folder {name} holds no config.json, so it is not a transformers model")
        return BackboneFiles(name, str(Path(name).expanduser()))
    if _HUB_ID.fullmatch(name) and not name.startswith((".", "/")):
        return BackboneFiles(name, name)
    known = registry.names("backbones")
    raise BackboneError(
        f"no backbone '{name}': it is no registered name, no folder and no hub id owner/name."
        f"{registry.suggest(name, known)}"
    )
