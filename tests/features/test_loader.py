"""Every row once per epoch, in an order that follows from seed and epoch; batches padded to their own longest row."""

import pytest
import torch

from ctrbench.features.loader import Rows, batches, eval_order, train_order
from ctrbench.features.ragged import Ragged
from tests.toys import DOMAINS


def rows(count: int = 1000, tokens: bool = True, longest: int = 200) -> Rows:
    lengths = torch.randint(1, longest, (count,), generator=torch.Generator().manual_seed(0))
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    values = torch.arange(int(offsets[-1]), dtype=torch.int32) + 1
    ragged = Ragged(values, offsets, pad=0, mask="attention_mask" if tokens else None)
    return Rows({"input_ids": ragged}, torch.arange(count) % 3, DOMAINS, torch.zeros(count), torch.arange(count))


@pytest.mark.parametrize("tokens", [True, False])
def test_an_epoch_holds_every_row_once(tokens):
    data = rows(tokens=tokens)
    for order in (train_order(data, 32, 0, 0), eval_order(data, 32)):
        assert torch.cat(order).sort().values.tolist() == list(range(1000))


def test_the_order_follows_from_seed_and_epoch():
    data = rows()
    orders = [torch.cat(train_order(data, 32, seed, epoch)) for seed, epoch in [(0, 0), (0, 0), (0, 1), (1, 0)]]
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])
    assert not torch.equal(orders[0], orders[3])


def test_batches_of_tokens_waste_little_on_padding():
    data = rows(count=4096)
    real = sum(int(batch.x["attention_mask"].sum()) for batch in batches(data, train_order(data, 32, 0, 0)))
    padded = sum(batch.x["attention_mask"].numel() for batch in batches(data, train_order(data, 32, 0, 0)))
    assert 1 - real / padded < 0.05


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
    rest = [batch.row_id.tolist() for batch in batches(data, order, skip=4)]
    assert rest == [indices.tolist() for indices in order[4:]]


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("count", [1, 32, 33, 2048, 2049, 5000])
def test_an_epoch_has_as_many_batches_as_its_rows_fill(count, tokens):
    assert len(train_order(rows(count, tokens), 32, 0, 0)) == -(-count // 32)
