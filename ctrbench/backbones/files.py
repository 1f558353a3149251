"""From a backbone's name to its files: a plugin's answer, a local folder, a GGUF file, or a hub id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrbench import registry
from ctrbench.conduct.blame import Suspect, blaming
from ctrbench.errors import BackboneError
from ctrbench.spelling import suggest

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_seen: ContextVar[dict[str, dict[str, str]] | None] = ContextVar("_seen", default=None)
_HUB_ID = re.compile(r"(?P<path>\w[\w.-]*/[\w.-]+)(@(?P<revision>\w[\w./-]*))?")


@dataclass(frozen=True)
class BackboneFiles:
    """Where a backbone comes from: `path` (a local folder or a hub id at `revision`), or code that builds it.

    `gguf` names the one file in `path` that holds configuration, tokenizer and weights, for a backbone in GGUF.
    `build` makes a backbone with random weights, an encoder without a task head and its fast tokenizer, for tests and
    offline smoke runs; tables say when one was used. `advice` is what to do where it cannot be loaded. `architecture`,
    the keys of its `config.json` that decide sizes, and `model_type`, lets `ctrbench check` estimate costs before
    anything is fetched.
    """

    name: str
    path: str = ""
    revision: str | None = None
    build: Callable[[], tuple[PreTrainedModel, PreTrainedTokenizerFast]] | None = None
    advice: str = "check the name and the network, or name a local folder or another backbone"
    gguf: str | None = None
    architecture: Mapping[str, Any] | None = None

    @property
    def random(self) -> bool:
        """True where the weights were never trained."""
        return self.build is not None

    @property
    def here(self) -> bool:
        """Whether nothing needs to be fetched from a model hub."""
        if self.random or Path(self.path).is_dir():
            return True
        from huggingface_hub import try_to_load_from_cache

        names = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")
        cached = (try_to_load_from_cache(self.path, name, revision=self.revision) for name in names)
        return any(isinstance(path, str) for path in cached)


@contextmanager
def resolved() -> Iterator[Mapping[str, Mapping[str, str]]]:
    """Within, which backbones are resolved: each one's name, who brings it, if a plugin does, and its revision."""
    seen: dict[str, dict[str, str]] = {}
    before = _seen.set(seen)
    try:
        yield seen
    finally:
        _seen.reset(before)


def resolve_backbone(name: str) -> BackboneFiles:
    """The files of backbone `name`, which is, in this order:

    a name that a plugin registered, a local folder, a `.gguf` file or a folder with one, or a hub id `owner/name` or
    `owner/name@revision`. Raises `BackboneError` for anything else. Nothing is fetched.
    """
    plugin = registry.find("backbones", name) if name in registry.names("backbones") else None
    files = None
    if plugin is not None:
        suspect, resolve = Suspect("backbones", name), plugin.load()
        with blaming(suspect, "to resolve its name"):
            files = resolve(name)
        if not isinstance(files, BackboneFiles | None):
            raise suspect.did(f"resolved its name to a {type(files).__name__}, neither BackboneFiles nor None")
    if files is None:
        plugin, files = None, _unregistered(name)
    if (seen := _seen.get()) is not None:
        revision = {"revision": files.revision} if files.revision else {}
        seen[name] = {**(plugin.facts if plugin is not None else {}), **revision}
    return files


def _unregistered(name: str) -> BackboneFiles:
    path = _path(name)
    if path.is_dir():
        return _folder(name, path)
    if path.suffix.lower() == ".gguf":
        return _gguf(name, path)
    if path.is_file():
        raise BackboneError(f"{name} is a file; name the folder it is in, {path.parent}, or a .gguf file")
    if hub := _HUB_ID.fullmatch(name):
        return BackboneFiles(name, hub["path"], hub["revision"])
    known = registry.names("backbones")
    raise BackboneError(
        f"no backbone '{name}': it is no registered name, no folder, no GGUF file and no hub id owner/name."
        f"{suggest(name, known)}"
    )


def _path(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # the home of a user who has none
        return Path(name)


def _folder(name: str, folder: Path) -> BackboneFiles:
    if (folder / "config.json").is_file():
        return BackboneFiles(name, str(folder), advice=_local_advice(folder))
    files = sorted(folder.glob("*.gguf"))
    if len(files) == 1:
        return _gguf(name, files[0])
    if files:
        raise BackboneError(
            f"folder {name} holds {len(files)} GGUF files ({', '.join(file.name for file in files)}); name one of them"
        )
    raise BackboneError(f"folder {name} holds no config.json and no GGUF file, so it is not a transformers model")


def _gguf(name: str, file: Path) -> BackboneFiles:
    if not file.is_file():
        raise BackboneError(f"there is no GGUF file {name}; check the path")
    return BackboneFiles(name, str(file.parent), gguf=file.name, advice=_local_advice(file))


def _local_advice(path: Path) -> str:
    return f"see that {path} is whole, or name another backbone"
