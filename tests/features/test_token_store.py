"""An entry of the cache is whole or absent; what is damaged is made again; who comes second waits and reads."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from ctrbench.errors import OutputError
from ctrbench.features.encode import Encoded
from ctrbench.features.token_store import stored

CHUNKS = [
    Encoded(np.arange(5, dtype=np.int32), np.array([2, 3]), 1, 0),
    Encoded(np.array([70_000], dtype=np.int32), np.array([0, 1, 0]), 0, 2),
]


def forbidden():
    raise AssertionError("made again")


def test_chunks_come_back_as_one(tmp_path):
    values, offsets, facts = stored(tmp_path / "entry", lambda: CHUNKS)
    assert values.tolist() == [0, 1, 2, 3, 4, 70_000]
    assert values.dtype == torch.int32
    assert offsets.tolist() == [0, 2, 5, 5, 6, 6]
    assert (facts.rows, facts.tokens, facts.shortened, facts.cut) == (5, 6, 1, 2)


def test_an_entry_is_made_once(tmp_path):
    first = stored(tmp_path / "entry", lambda: CHUNKS)
    again = stored(tmp_path / "entry", forbidden)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert first[2] == again[2]


@pytest.mark.parametrize("chunks", [[], [Encoded(np.empty(0, np.int32), np.zeros(3, np.int64), 0, 0)]])
def test_no_rows_and_no_tokens_are_an_entry_too(tmp_path, chunks):
    stored(tmp_path / "entry", lambda: chunks)
    values, offsets, facts = stored(tmp_path / "entry", forbidden)
    assert len(values) == 0
    assert offsets.tolist() == [0] * (facts.rows + 1)


def truncate(entry: Path) -> None:
    file = entry / "tokens.int32"
    file.write_bytes(file.read_bytes()[:-4])


def flip(name: str):
    def change(entry: Path) -> None:
        data = bytearray((entry / name).read_bytes())
        data[1] ^= 1
        (entry / name).write_bytes(data)

    return change


DAMAGES = [
    truncate,
    flip("tokens.int32"),
    flip("lengths.int32"),
    lambda entry: (entry / "facts.json").unlink(),
    lambda entry: (entry / "lengths.int32").unlink(),
    lambda entry: (entry / "facts.json").write_text('{"rows": 5}'),
    lambda entry: (entry / "facts.json").write_text(""),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_made_again(tmp_path, damage, caplog):
    entry = tmp_path / "entry"
    first = stored(entry, lambda: CHUNKS)[0].clone()
    damage(entry)
    assert torch.equal(stored(entry, lambda: CHUNKS)[0], first)
    assert "damaged" in caplog.text
    stored(entry, forbidden)


def test_what_is_read_stays_while_the_entry_is_replaced(tmp_path):
    values, _, _ = stored(tmp_path / "entry", lambda: CHUNKS)
    truncate(tmp_path / "entry")
    stored(tmp_path / "entry", lambda: [Encoded(np.full(9, 7, np.int32), np.array([9]), 0, 0)])
    assert stored(tmp_path / "entry", forbidden)[0].tolist() == [7] * 9
    assert values.shape == (6,)


def test_a_failure_on_the_way_leaves_nothing(tmp_path):
    def failing():
        yield CHUNKS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored(tmp_path / "entry", failing)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    assert len(stored(tmp_path / "entry", lambda: CHUNKS)[0]) == 6


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
        got.append(stored(tmp_path / "entry", make)[0].tolist())

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
    assert got == [[0, 1, 2, 3, 4, 70_000]] * 2


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists what is mapped")
def test_tokens_are_mapped_and_changes_to_them_stay_in_memory(tmp_path):
    values, _, _ = stored(tmp_path / "entry", lambda: CHUNKS)
    assert str(tmp_path / "entry" / "tokens.int32") in Path("/proc/self/maps").read_text()
    values[0] = 9
    assert stored(tmp_path / "entry", forbidden)[0].tolist()[0] == 0
