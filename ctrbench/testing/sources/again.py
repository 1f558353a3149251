"""What a source promises of reading the same files again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import pytest

from ctrbench import registry
from ctrbench.data.fingerprint import frames_hash
from ctrbench.data.source import DatasetSource
from ctrbench.testing.promises import promise
from ctrbench.testing.sources.subject import SourceSubject, Tables, read

_MEND = "sort what has no order (`group_by`, `unique` and `join` keep one with `maintain_order`, sets with `sorted`)"


class AgainPromises(SourceSubject):
    """What a source promises of reading the same files again."""

    @promise(f"{_MEND}; keep no state between two calls.")
    def test_reading_again_gives_the_same(self) -> None:
        """A second reading gives the same tables, row by row, whichever of the two is asked for first."""
        source, found = self._load(), self._tables()
        read(source, self._raw(), items_first=False)
        again = read(source, self._raw())
        for name, one, other in zip(("interactions", "items"), found[:2], again[:2], strict=True):
            odd = [c for c in one.columns if c not in other.columns or not one[c].equals(other[c], null_equal=True)]
            assert not odd, f"other {', '.join(odd)} in the {name}"
            assert one.columns == other.columns, f"other columns in the {name}"

    @promise(f"{_MEND}; depend on no address, hash or time.")
    def test_another_process_reads_the_same(self) -> None:
        """Another process, whose sets have another order, reads the same tables, row by row."""
        kind = self._kind()
        where = self.source if isinstance(self.source, str) else f"{kind.__module__}:{kind.__qualname__}"
        if "<locals>" in where or where.startswith("__main__"):
            pytest.skip("another process cannot import this class: write it into a module")
        told = _elsewhere(where, self._load().options.model_dump(mode="json"), self._raw())
        assert told == _hash(self._tables()), "the tables differ"


def tell(where: str, options: str, root: str) -> None:
    """Print the hash of what a source, `module:class` or a registered name, reads; for `_elsewhere`."""
    module, _, name = where.partition(":")
    kind: type[DatasetSource] = attrgetter(name)(import_module(module)) if name else registry.load("datasets", where)
    sys.stdout.write(_hash(read(kind(kind.Options(**json.loads(options))), Path(root))))


def _elsewhere(where: str, options: object, root: Path) -> str:
    """What `tell` prints in a process whose texts have other hashes."""
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    code = f"from {__name__} import tell; import sys; tell(*sys.argv[1:])"
    path = os.pathsep.join(folder for folder in sys.path if folder)
    done = subprocess.run(
        [sys.executable, "-c", code, where, json.dumps(options), str(root)],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, f"another process could not read them: {done.stderr.strip().splitlines()[-1:]}"
    return done.stdout.strip()[-64:]  # after what a plugin may print


def _hash(tables: Tables) -> str:
    return frames_hash({"rows": tables.rows, "items": tables.items})
