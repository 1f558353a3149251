"""What a source promises of files, and of all else that is not its own."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ctrbench.data.fingerprint import file_hash
from ctrbench.data.source import DatasetSource
from ctrbench.errors import DataError
from ctrbench.testing.promises import promise
from ctrbench.testing.sources.subject import SourceSubject, read
from ctrbench.testing.world import (
    assert_unchanged,
    contents,
    generators_untouched,
    surroundings_untouched,
    writes_only_in,
)


class FilePromises(SourceSubject):
    """What a source promises of files, and of all else that is not its own."""

    @promise("read only; keep what you compute in memory, or in the tables that you return.")
    def test_reading_writes_nothing(self) -> None:
        """Reading leaves all files, the working folder, the environment, loggers and other settings as they were."""
        before = contents(self._raw())
        with writes_only_in(), surroundings_untouched():
            read(self._load(), self._raw())
        assert_unchanged(contents(self._raw()), before)

    @promise("draw from a generator of your own, such as `np.random.default_rng(seed)`, and seed no other.")
    def test_no_global_random_state_is_touched(self) -> None:
        """Neither reading nor writing raw files touches the generators of `random`, `numpy.random` or torch."""
        with generators_untouched():
            read(self._load(), self._raw())
            if self._makes_its_files():
                with TemporaryDirectory() as folder:
                    self._load().download(Path(folder, "raw"))

    @promise("return the paths of files under `root`, in the order of reading, from `inputs`.")
    def test_inputs_are_files(self) -> None:
        """`inputs` are the files that are read, each once: their hashes tell whether a dataset is still the same."""
        found = self._inputs()
        assert found, "there are none"
        assert isinstance(found, list), f"`inputs` returns a {type(found).__name__}"
        for path in found:
            assert isinstance(path, Path), f"{path!r} is no Path"
            assert path.is_file(), f"{path.name} is no file"
        assert len(set(found)) == len(found), "a file is named twice"

    @promise("raise `DataError` from `inputs`: what is missing, where, and what to do next, in one sentence.")
    def test_missing_files_are_told_in_one_sentence(self) -> None:
        """A folder that is empty, or not there, is a `DataError` of one line that names the folder or a file in it."""
        with TemporaryDirectory() as folder:
            empty, absent = Path(folder, "empty"), Path(folder, "absent")
            empty.mkdir()
            for root in (empty, absent):
                told = _refusal(self._load(), root)
                assert "\n" not in told, f"the message has {told.count(chr(10)) + 1} lines: {told}"
                assert root.name in told, f"the message does not name the folder {root.name!r}: {told}"
            assert not contents(empty), "files were written into the empty folder"
            assert not absent.exists(), "the folder that was not there is there now"

    @promise("return where the files are whole; write each under another name and rename it when it is.")
    def test_a_download_is_made_once(self) -> None:
        """A second `download` changes no file, a lost one comes again as it was, and nothing is written elsewhere."""
        if not self._makes_its_files():
            pytest.skip("this source makes no files by itself")
        with TemporaryDirectory() as folder:
            root = Path(folder, "raw")
            with writes_only_in(root), surroundings_untouched():
                self._load().download(root)
            made = contents(root)
            self._load().download(root)
            assert_unchanged(contents(root), made)
            lost = self._load().at(root).inputs(root)[-1]
            hashed = file_hash(lost)
            lost.unlink()
            self._load().download(root)
            assert lost.is_file(), f"{lost.name} was lost, and did not come again"
            assert file_hash(lost) == hashed, f"{lost.name} was lost, and came again with other content"
            assert set(contents(root)) == set(made), f"there are {', '.join(contents(root))}"

    @promise("declare each published file once in `remote_files`, which asks no server.")
    def test_remote_files_have_places_of_their_own(self) -> None:
        """Each of `remote_files` has a path of its own in the folder."""
        paths = [file.path for file in self._load().remote_files()]
        if not paths:
            pytest.skip("this source has no remote files")
        assert len(set(paths)) == len(paths), f"{max(paths, key=paths.count)} is the place of two files"


def _refusal(source: DatasetSource, root: Path) -> str:
    """The message of the `DataError` that these raw files must raise."""
    try:
        read(source, root)
    except DataError as fault:
        return str(fault)
    raise AssertionError(f"nothing was raised for a folder that is {root.name}")
