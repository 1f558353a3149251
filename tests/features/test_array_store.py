"""An entry of the cache is whole or absent; what is damaged is made again; who comes second waits and reads."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from ctrbench.errors import OutputError, PluginError
from ctrbench.features.array_store import Chunk, stored
from ctrbench.features.mapped import release
from ctrbench.features.ragged import Ragged


def ragged(values, lengths) -> Ragged:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    return Ragged(torch.tensor(values, dtype=torch.int32), offsets, pad=7, mask="mask")


def chunk(ids, values, lengths, **counts) -> Chunk:
    return Chunk({"ids": torch.tensor(ids, dtype=torch.int32).view(-1, 2), "a/b": ragged(values, lengths)}, counts)


CHUNKS = [
    chunk([], [], []),
    chunk([1, 2, 3, 4], [5, 6, 7, 8, 9], [2, 3], cut=1),
    chunk([5, 6], [], [0]),
    chunk([7, 8, 9, 10], [70_000], [0, 1], cut=2, shortened=1),
]


def forbidden():
    raise AssertionError("made again")


def test_chunks_come_back_as_one(tmp_path):
    features, counts = stored(tmp_path / "entry", lambda: CHUNKS)
    assert torch.equal(features["ids"], torch.arange(1, 11, dtype=torch.int32).view(5, 2))
    sequences = features["a/b"]
    assert sequences.values.tolist() == [5, 6, 7, 8, 9, 70_000]
    assert sequences.offsets.tolist() == [0, 2, 5, 5, 5, 6]
    assert (sequences.pad, sequences.mask) == (7, "mask")
    assert (features["ids"].dtype, sequences.values.dtype) == (torch.int32, torch.int32)
    assert counts == {"cut": 3, "shortened": 1}


@pytest.mark.parametrize("chunks", [CHUNKS, CHUNKS[:1], CHUNKS[2:3]])
def test_an_entry_is_made_once(tmp_path, chunks):
    first = stored(tmp_path / "entry", lambda: chunks)
    again = stored(tmp_path / "entry", forbidden)
    assert first.counts == again.counts
    assert torch.equal(first.features["ids"], again.features["ids"])
    assert torch.equal(first.features["a/b"].values, again.features["a/b"].values)
    assert torch.equal(first.features["a/b"].offsets, again.features["a/b"].offsets)


@pytest.mark.parametrize("other", [torch.zeros(1, 2), torch.zeros(1, 3, dtype=torch.int32)])
def test_chunks_of_another_kind_are_the_plugins_fault(tmp_path, other):
    with pytest.raises(PluginError, match="'ids'"):
        stored(tmp_path / "entry", lambda: [*CHUNKS, Chunk({"ids": other})])
    assert not folders(tmp_path)


def folders(path: Path) -> list[Path]:
    return [entry for entry in path.iterdir() if entry.is_dir()]


def truncate(entry: Path) -> None:
    file = entry / "0.bin"
    file.write_bytes(file.read_bytes()[:-4])


def flip(name: str):
    def change(entry: Path) -> None:
        data = bytearray((entry / name).read_bytes())
        data[1] ^= 1
        (entry / name).write_bytes(data)

    return change


DAMAGES = [
    truncate,
    *(flip(f"{number}.bin") for number in range(3)),
    lambda entry: (entry / "facts.json").unlink(),
    lambda entry: (entry / "2.bin").unlink(),
    lambda entry: (entry / "facts.json").write_text('{"arrays": {}}'),
    lambda entry: (entry / "facts.json").write_text(""),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_made_again(tmp_path, damage, caplog):
    entry = tmp_path / "entry"
    first = stored(entry, lambda: CHUNKS).features["ids"].clone()
    damage(entry)
    assert torch.equal(stored(entry, lambda: CHUNKS).features["ids"], first)
    assert "damaged" in caplog.text
    stored(entry, forbidden)


def test_what_is_read_stays_while_the_entry_is_replaced(tmp_path):
    before = stored(tmp_path / "entry", lambda: CHUNKS).features["ids"]
    flip("1.bin")(tmp_path / "entry")
    stored(tmp_path / "entry", lambda: CHUNKS[:2])
    release()
    assert before[-1].tolist() == [9, 10]
    assert len(stored(tmp_path / "entry", forbidden).features["ids"]) == 2


def test_a_failure_on_the_way_leaves_nothing(tmp_path):
    def failing():
        yield CHUNKS[1]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored(tmp_path / "entry", failing)
    assert not folders(tmp_path)
    assert len(stored(tmp_path / "entry", lambda: CHUNKS).features["ids"]) == 5


KILLED = """
import os, signal, sys, torch
from pathlib import Path
from ctrbench.features.array_store import Chunk, stored

def chunks():
    yield Chunk({"ids": torch.zeros(1000, 2, dtype=torch.int32)})
    os.kill(os.getpid(), signal.SIGKILL)

stored(Path(sys.argv[1]), chunks)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills as Unix does")
def test_a_killed_writer_leaves_no_entry_and_its_rest_is_cleared_away(tmp_path):
    entry = tmp_path / "entry"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(entry)], env=environment, check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert not entry.exists()
    assert folders(tmp_path)
    assert len(stored(entry, lambda: CHUNKS).features["ids"]) == 5
    assert folders(tmp_path) == [entry]


def test_a_full_disk_is_a_sentence(tmp_path):
    def full():
        yield CHUNKS[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"No space left.*CTRBENCH_CACHE"):
        stored(tmp_path / "entry", full)


def test_a_cache_that_is_a_file_is_a_sentence(tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(OutputError, match="CTRBENCH_CACHE"):
        stored(tmp_path / "cache" / "entry", lambda: CHUNKS)


def test_of_two_at_once_one_makes_it_and_both_have_it(tmp_path):
    begun, going_on, made, got = threading.Event(), threading.Event(), [], []

    def make():
        made.append(1)
        begun.set()
        going_on.wait(10)
        return CHUNKS

    def ask():
        got.append(stored(tmp_path / "entry", make).features["a/b"].values.tolist())

    both = [threading.Thread(target=ask) for _ in range(2)]
    both[0].start()
    assert begun.wait(10)
    both[1].start()
    both[1].join(0.3)
    assert both[1].is_alive()
    going_on.set()
    for one in both:
        one.join(10)
    assert made == [1]
    assert got == [[5, 6, 7, 8, 9, 70_000]] * 2


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux says what is in memory")
def test_arrays_are_mapped_released_and_never_written_back(tmp_path):
    big = Chunk({"ids": torch.arange(500_000, dtype=torch.int32)})
    ids = stored(tmp_path / "entry", lambda: [big]).features["ids"]
    file = tmp_path / "entry" / "0.bin"
    total = int(ids.sum())
    assert in_memory(file) > 1_900
    release()
    assert in_memory(file) == 0
    assert int(ids.sum()) == total
    ids[0] = 9
    assert stored(tmp_path / "entry", forbidden).features["ids"][0] == 0


def in_memory(file: Path) -> int:
    """kB of a mapped file that are in this process's memory."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    sizes = [next(line for line in lines if line.startswith("Rss")) for line in lines if line.endswith(str(file))]
    assert sizes
    return sum(int(line.split()[1]) for line in sizes)
