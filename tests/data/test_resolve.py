from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict

from ctrbench import registry
from ctrbench.data.resolve import cache_dir, load_source, open_dataset
from ctrbench.errors import ConfigError, CtrbenchError, DataError

from .conftest import FrameSource, Prepare

ROWS = [("a", f"u{n}", "i", n, 5.0 - n % 2 * 4) for n in range(10)]


class Automatic(FrameSource):
    class Options(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        scale: int = 1

    automatic: ClassVar = True
    downloads: ClassVar[list[Path]] = []

    def __init__(self, options: Any) -> None:
        super().__init__(ROWS)
        self.options = options

    def download(self, root: Path) -> None:
        self.downloads.append(root)


class Manual(Automatic):
    automatic: ClassVar = False


@pytest.fixture(autouse=True)
def _sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known: Mapping[str, type] = {"automatic": Automatic, "manual": Manual}
    monkeypatch.setattr(registry, "names", lambda kind: sorted(known))
    monkeypatch.setattr(registry, "load", lambda kind, name: known[name])
    monkeypatch.setenv("CTRBENCH_CACHE", str(tmp_path / "cache"))
    Automatic.downloads.clear()


def test_a_prepared_folder_is_opened(prepared: Prepare) -> None:
    data = prepared(ROWS)
    assert open_dataset(data.path).fingerprint == data.fingerprint


def test_what_was_prepared_of_an_uninstalled_source_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    left = open_dataset("automatic").path
    monkeypatch.setattr(registry, "names", lambda kind: ["manual"])
    with pytest.raises(DataError, match=r"no longer installed") as caught:
        open_dataset("automatic")
    assert f" {left}," in str(caught.value)
    assert open_dataset(left).path == left
    with pytest.raises(DataError, match=r"Known: manual"):
        open_dataset("auto")


def test_an_automatic_source_is_prepared_once_per_options() -> None:
    first = open_dataset("automatic")
    assert open_dataset("automatic").path == first.path
    assert first.path.is_relative_to(cache_dir())
    assert len(Automatic.downloads) == 1
    assert open_dataset("automatic", options={"scale": 2}).path != first.path


def test_an_automatic_source_is_prepared_once_per_options_of_the_preparation() -> None:
    usual = open_dataset("automatic", options={"scale": 2})
    other = open_dataset("automatic", options={"scale": 2, "split": "global_time", "window": 1})
    assert usual.path != other.path
    assert (other.manifest.options["split"], other.manifest.options["window"]) == ("global_time", 1)
    assert len(set(Automatic.downloads)) == 1  # of the same files
    assert open_dataset("automatic", options={"window": 1, "split": "global_time", "scale": 2}).path == other.path


def test_options_of_a_prepared_folder_must_be_those_it_was_prepared_with(prepared: Prepare) -> None:
    data = prepared(ROWS, split="global_time", window=3)
    assert open_dataset(data.path, options={"split": "global_time", "window": 3}).fingerprint == data.fingerprint
    with pytest.raises(ConfigError, match=r"prepared with window=3, not window=5: prepare another with `ctrbench data"):
        open_dataset(data.path, options={"split": "global_time", "window": 5})
    with pytest.raises(ConfigError, match="takes no option 'scale'"):
        open_dataset(data.path, options={"scale": 1})


def test_an_option_of_neither_source_nor_preparation_is_named() -> None:
    with pytest.raises(ConfigError, match=r"splt=random: there is no option 'splt'\. Did you mean 'split'"):
        open_dataset("automatic", options={"splt": "random"})
    with pytest.raises(ConfigError, match=r"split in the options of the preparation: .*global_time"):
        open_dataset("automatic", options={"split": "globel"})


def test_another_version_of_a_source_is_prepared_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_dataset("automatic")
    monkeypatch.setattr(Automatic, "version", "2")
    assert open_dataset("automatic").path != first.path
    assert len(set(Automatic.downloads)) == 2


def test_what_cannot_be_opened_says_what_to_do(tmp_path: Path) -> None:
    for name, says in (
        ("manual", "ctrbench data prepare manual --root"),
        ("automatc", "Did you mean 'automatic'"),
        (str(tmp_path), "not a prepared dataset"),
    ):
        with pytest.raises(DataError, match=says):
            open_dataset(name)


def test_a_wrong_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"unknown key 'scal' in the options of dataset 'automatic'\. Did you mean 'scale'"
    ):
        load_source("automatic", {"scal": 2})
    with pytest.raises(
        CtrbenchError, match=r"^scale in the options of dataset 'automatic': .*valid integer.*, not 'big'$"
    ):
        load_source("automatic", {"scale": "big"})
