"""Every row once per epoch, in an order that follows from seed and epoch; batches padded to their own longest row."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from ctrbench.features import loader
from ctrbench.features.loader import Rows, batches, prefetch
from ctrbench.features.order import eval_order, padding, train_order
from ctrbench.features.ragged import Ragged
from tests.toys import DOMAINS


def rows(count: int = 1000, tokens: bool = True, longest: int = 200) -> Rows:
    lengths = torch.randint(1, longest, (count,), generator=torch.Generator().manual_seed(0))
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    values = torch.arange(int(offsets[-1]), dtype=torch.int32) + 1
    ragged = Ragged(values, offsets, pad=0, mask="attention_mask" if tokens else None)
    return Rows({"input_ids": ragged}, *rest_of(count))


def rest_of(count: int):
    """Domains, labels and ids of so many rows."""
    return torch.arange(count) % 3, DOMAINS, torch.zeros(count), torch.arange(count)


@pytest.mark.parametrize("tokens", [True, False])
def test_an_epoch_holds_every_row_once(tokens):
    data = rows(tokens=tokens)
    for order in (train_order(data, 32, 0, 0), eval_order(data, 32)):
        assert torch.cat(list(order)).sort().values.tolist() == list(range(1000))


@pytest.mark.parametrize("tokens", [True, False])
def test_in_a_batch_rows_stand_by_domain(tokens):
    data = rows(tokens=tokens)
    for order in (train_order(data, 32, 0, 0), eval_order(data, 32)):
        assert all(batch.grouped for batch in batches(data, order))


def test_the_order_follows_from_seed_and_epoch():
    data = rows()
    orders = [torch.cat(list(train_order(data, 32, seed, epoch))) for seed, epoch in [(0, 0), (0, 0), (0, 1), (1, 0)]]
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])
    assert not torch.equal(orders[0], orders[3])


@pytest.mark.parametrize("size", [8, 32, 128])
def test_training_batches_waste_little_on_padding(size):
    data = rows(count=9000)
    assert padding(data, train_order(data, size, 0, 0)).waste < 0.05


@pytest.mark.parametrize("count", [1, 90, 590, 5000])
@pytest.mark.parametrize("size", [8, 128, 4096])
def test_no_evaluation_batch_wastes_more_than_a_twentieth(count, size):
    data = rows(count)
    order = eval_order(data, size)
    assert all(padding(data, [batch]).waste < 0.05 + 1e-9 for batch in order)
    assert max(map(len, order)) <= size
    assert len(order) < count / size + 60


def test_evaluation_batches_of_equal_rows_are_full():
    data = rows(count=100, longest=2)
    assert [len(batch) for batch in eval_order(data, 32)] == [32, 32, 32, 4]


@pytest.mark.parametrize("made", [lambda data: train_order(data, 32, 0, 0), lambda data: eval_order(data, 32)])
def test_padding_is_that_of_the_batches(made):
    data = rows(count=500)
    masks = [batch.x["attention_mask"] for batch in batches(data, made(data))]
    found = padding(data, made(data))
    assert found == (sum(int(mask.sum()) for mask in masks), sum(mask.numel() for mask in masks))
    assert found.waste == pytest.approx(1 - found.tokens / found.places)


def test_rows_without_tokens_have_no_padding():
    data = rows(count=50, tokens=False)
    assert padding(data, train_order(data, 16, 0, 0)).waste == 0
    assert padding(rows(count=3), []).waste == 0


def test_empty_prompts_take_a_place():
    empty = Rows({"x": Ragged(torch.empty(0, dtype=torch.int32), torch.zeros(4).long(), mask="m")}, *rest_of(3))
    assert empty.batch(torch.arange(3)).x["m"].shape == (3, 1)
    assert padding(empty, [torch.arange(3)]) == (0, 3)
    assert torch.cat(list(eval_order(empty, 2))).sort().values.tolist() == [0, 1, 2]


def test_a_batch_holds_each_rows_own_tokens_and_nothing_else():
    data = rows(count=50)
    ragged = data.features["input_ids"]
    batch = data.batch(torch.tensor([7, 3, 41]))
    for row, index in enumerate([7, 3, 41]):
        own = ragged.values[ragged.offsets[index] : ragged.offsets[index + 1]]
        assert batch.x["input_ids"][row][batch.x["attention_mask"][row]].tolist() == own.tolist()
    assert batch.x["input_ids"].shape[1] == int(ragged.lengths[[7, 3, 41]].max())


def test_skipped_batches_are_the_first_ones():
    data = rows(count=100)
    order = train_order(data, 16, 0, 0)
    rest = [batch.row_id.tolist() for batch in batches(data, order[4:])]
    assert rest == [indices.tolist() for indices in order[4:]]


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("count", [1, 32, 33, 2048, 2049, 5000])
def test_an_epoch_has_as_many_batches_as_its_rows_fill(count, tokens):
    assert len(train_order(rows(count, tokens), 32, 0, 0)) == -(-count // 32)


def test_batches_for_the_cpu_are_made_when_they_are_asked_for(monkeypatch):
    monkeypatch.setattr(loader, "ThreadPoolExecutor", None)
    data, made = rows(count=64), []
    source = (made.append(batch) or batch for batch in batches(data, train_order(data, 16, 0, 0)))
    for count, batch in enumerate(prefetch(source, torch.device("cpu")), 1):
        assert batch is made[-1]
        assert len(made) == count


def ahead(source):
    return loader._ahead(source, ThreadPoolExecutor(1, "batches"))


def loading_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_batches_made_ahead_are_the_same_in_the_same_order():
    data = rows(count=200)
    order = train_order(data, 16, 0, 0)
    found = [batch.row_id.tolist() for batch in ahead(batches(data, order))]
    assert found == [indices.tolist() for indices in order]
    assert loading_threads() == []


def test_the_next_batch_is_made_while_one_is_used_and_no_further():
    made, second = [], threading.Event()

    def source():
        for number in range(3):
            made.append(threading.current_thread().name)
            if number == 1:
                second.set()
            yield number

    numbers = ahead(source())
    assert next(numbers) == 0
    assert second.wait(10)
    assert len(made) == 2
    assert all(name.startswith("batches") for name in made)
    numbers.close()


def test_an_error_on_the_way_is_raised_where_batches_are_used():
    def source():
        yield 1
        raise OSError("the disk is gone")

    numbers = ahead(source())
    assert next(numbers) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(numbers)
    assert loading_threads() == []


def test_stopping_early_leaves_no_thread():
    data = rows(count=200)
    for _ in ahead(batches(data, eval_order(data, 16))):
        break
    assert loading_threads() == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_for_a_gpu_are_the_same_there():
    data = rows(count=200)
    order = train_order(data, 16, 0, 0)
    for batch, plain in zip(prefetch(batches(data, order), torch.device("cuda")), batches(data, order), strict=True):
        assert batch.x["input_ids"].device.type == "cuda"
        assert torch.equal(batch.x["input_ids"].cpu(), plain.x["input_ids"])
        assert [(name, rows.tolist()) for name, rows in batch.groups] == [(n, r.tolist()) for n, r in plain.groups]
    assert loading_threads() == []
