"""What a backbone promises of names, and of the files behind them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from ctrbench.backbones.files import BackboneFiles
from ctrbench.backbones.known import architecture_suffices, configuration
from ctrbench.backbones.load import empty_encoder
from ctrbench.backbones.structure import encoder_layers
from ctrbench.errors import BackboneError
from ctrbench.testing.backbones.subject import BackboneSubject
from ctrbench.testing.promises import promise
from ctrbench.testing.world import Event, events, generators_untouched, surroundings_untouched, writes_only_in

_FOREIGN = "no-backbone-of-anybody"
_WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt", ".pth")
_COMMIT = re.compile("[0-9a-f]{40}")


class NamePromises(BackboneSubject):
    """What a backbone promises of names, and of the files behind them."""

    @promise(
        "return `BackboneFiles(name, ...)` for your own names; what is to be installed first is a `BackboneError`."
    )
    def test_its_names_are_resolved(self) -> None:
        """Each of its names becomes `BackboneFiles` that bear this name, or one sentence on what is to be installed."""
        for name in self._every_name():
            told = ""
            try:
                files = self._load()(name)
            except BackboneError as fault:
                told = str(fault)
            if told:
                assert name in told, f"the message does not name {name!r}: {told}"
                assert "\n" not in told, f"the message has several lines: {told}"
                continue
            assert isinstance(files, BackboneFiles), f"{name!r} is resolved to {files!r}, which is no BackboneFiles"
            assert files.name == name, f"{name!r} is resolved to files with the name {files.name!r}"
            assert files.path or files.build, f"{name!r} has neither a path nor code that builds it"

    @promise("return None for every name but your own: another plugin, a folder or a hub may have it.")
    def test_other_names_are_left_to_others(self) -> None:
        """A name that is not its own becomes None."""
        found = self._load()(_FOREIGN)
        assert found is None, f"{_FOREIGN!r} became {found!r}"

    @promise("only say where files are; they are fetched and read when a model is built.")
    def test_resolving_reads_and_fetches_nothing(self) -> None:
        """Resolving a name asks no server, opens no file with weights, writes nothing, and draws no random number."""
        with writes_only_in(), surroundings_untouched(), generators_untouched(), events() as heard:
            for name in self._every_name():
                self._found(name)
        asked = [_server(one) for one in heard if one.name.startswith("socket.")]
        assert not asked, f"a server was asked: {asked[0]}"
        read = [str(one.arguments[0]) for one in heard if one.name == "open"]
        weights = [path for path in read if path.endswith(_WEIGHTS)]
        assert not weights, f"{weights[0]} was opened"

    @promise("give `revision` the full commit of the repository, 40 hexadecimal digits.")
    def test_files_on_a_hub_are_of_one_revision(self) -> None:
        """Files on a model hub are of one commit: a branch, or nothing, would give other weights another day."""
        every = [self._found(name) for name in self._every_name()]
        remote = [files for files in every if files.build is None and not Path(files.path).is_dir()]
        if not remote:
            pytest.skip("its files are on no hub")
        for files in remote:
            assert _COMMIT.fullmatch(files.revision or ""), f"the revision of {files.path} is {files.revision!r}"

    @promise("bring the weights as safetensors, or as one GGUF file: what is pickled may run code.")
    def test_weights_are_no_pickles(self) -> None:
        """A folder of its own holds weights that are nothing but tensors."""
        every = [self._found(name) for name in self._every_name()]
        folders = [Path(files.path) for files in every if files.build is None and Path(files.path).is_dir()]
        if not folders:
            pytest.skip("it has no folder of its own")
        for folder in folders:
            good = [path for ending in ("safetensors", "gguf") for path in folder.glob(f"*.{ending}")]
            found = ", ".join(sorted(path.name for path in folder.iterdir()))
            assert good, f"{folder.name} holds neither *.safetensors nor *.gguf, but {found}"

    @promise("copy `model_type` and the keys that decide sizes from the repository's config.json into `architecture`.")
    def test_its_architecture_is_known_before_it_is_here(self) -> None:
        """`architecture`, where it is given, builds an encoder whose layers are found, of the sizes of the files."""
        known = {name: files.architecture for name in self._every_name() if (files := self._found(name)).architecture}
        if not known:
            pytest.skip("it gives no architecture")
        for name, architecture in known.items():
            config = configuration(architecture or {})
            with self._registered(), architecture_suffices(), torch.random.fork_rng():
                encoder = empty_encoder(name)
            assert encoder_layers(encoder), f"the layers of {name} cannot be told"
            if self._found(name).here:
                real = self._encoder(name).config
                odd = [key for key in architecture or {} if getattr(real, key, None) != getattr(config, key)]
                assert not odd, f"{odd[0]} of {name} is {getattr(real, odd[0], None)!r} in its files"


def _server(event: Event) -> str:
    """Whom it asks: a host, or whom it looks for."""
    address = event.arguments[1] if event.name == "socket.connect" else event.arguments
    return str(address[0] if isinstance(address, tuple) else address)
