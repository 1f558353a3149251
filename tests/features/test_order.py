"""More rows than a pool: every row once, batches like the whole, a function of seed and epoch, little in memory."""

import pytest
import torch

from ctrbench.features import order as module
from ctrbench.features.loader import Rows
from ctrbench.features.order import eval_order, train_order
from ctrbench.features.ragged import Ragged

DOMAINS = ("a", "b", "c")


@pytest.fixture
def small_pools(monkeypatch):
    monkeypatch.setattr(module, "POOL", 1024)
    monkeypatch.setattr(module, "_STRETCH", 500)
    monkeypatch.setattr(module, "_BLOCK", 16)


def rows(count: int, tokens: bool = False) -> Rows:
    """Rows that stand by domain, of which `a` has half, `b` three tenths and `c` the rest."""
    domain = torch.bucketize(torch.arange(count), torch.tensor([0.5, 0.8]) * count, right=True)
    features: dict = {"ids": torch.arange(count)[:, None].int()}
    if tokens:
        lengths = torch.randint(1, 50, (count,), generator=torch.Generator().manual_seed(0))
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
        features["input_ids"] = Ragged(torch.zeros(int(offsets[-1]), dtype=torch.int32), offsets, mask="mask")
    return Rows(features, domain, DOMAINS, torch.zeros(count), torch.arange(count))


@pytest.mark.usefixtures("small_pools")
@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("size", [1, 32, 100, 5000])
@pytest.mark.parametrize("count", [1024, 1025, 2048, 5003])
def test_an_epoch_holds_every_row_once_in_as_few_batches_as_can_be(count, size, tokens):
    data = rows(count, tokens)
    order = train_order(data, size, 0, 0)
    assert torch.cat(list(order)).sort().values.tolist() == list(range(count))
    assert len(order) == len(list(order)) == -(-count // size)
    assert max(map(len, order)) <= size


def test_up_to_a_pool_the_order_is_that_of_all_rows_at_once(monkeypatch):
    data = rows(1000)
    generator = torch.Generator().manual_seed(3 * 100_003 + 1)
    plain = torch.randperm(1000, generator=generator).split(32)
    monkeypatch.setattr(module, "POOL", 1000)
    found = train_order(data, 32, 3, 1)
    assert [set(batch.tolist()) for batch in found] == [set(batch.tolist()) for batch in plain]


@pytest.mark.usefixtures("small_pools")
def test_the_order_follows_from_seed_and_epoch():
    data = rows(5000)
    orders = [torch.cat(list(train_order(data, 32, seed, epoch))) for seed, epoch in [(0, 0), (0, 0), (0, 1), (1, 0)]]
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])
    assert not torch.equal(orders[0], orders[3])


@pytest.mark.usefixtures("small_pools")
@pytest.mark.parametrize("first", [0, 1, 31, 32, 33, 100, 156, 157])
def test_the_rest_of_an_epoch_can_be_had_without_its_beginning(first):
    data = rows(5000)
    whole = list(train_order(data, 32, 0, 0))
    rest = train_order(data, 32, 0, 0)[first:]
    assert len(rest) == len(whole) - first
    assert all(torch.equal(one, other) for one, other in zip(rest, whole[first:], strict=True))


@pytest.mark.usefixtures("small_pools")
def test_only_the_pools_that_are_used_are_made(monkeypatch):
    made = []
    plain = module._shuffled
    monkeypatch.setattr(module, "_shuffled", lambda indices, *rest: made.append(len(indices)) or plain(indices, *rest))
    order = train_order(rows(100_000), 32, 0, 0)
    assert made == []
    late = order[3000:]
    for batch in (late[0], late[1], order[3000]):
        assert len(batch) == 32
    assert made == [1024]


@pytest.mark.usefixtures("small_pools")
def test_in_a_batch_rows_stand_by_domain():
    data = rows(5000)
    for order in (train_order(data, 100, 0, 0), eval_order(data, 100)):
        assert all(data.batch(indices).grouped for indices in order)


def test_every_batch_holds_domains_and_times_as_the_whole_does(monkeypatch):
    """Within what drawing 512 rows at random gives: four deviations of a share."""
    monkeypatch.setattr(module, "POOL", 4096)
    monkeypatch.setattr(module, "_BLOCK", 16)
    data = rows(20_000)
    late = torch.arange(20_000) % 10_000 >= 5_000
    for batch in train_order(data, 512, 0, 0)[:-1]:
        for share, found in ((0.5, data.domain[batch] == 0), (0.2, data.domain[batch] == 2), (0.5, late[batch])):
            assert abs(found.float().mean() - share) < 4 * (share * (1 - share) / 512) ** 0.5


@pytest.mark.usefixtures("small_pools")
def test_neighbours_are_not_batch_mates():
    order = train_order(rows(20_000), 64, 0, 0)
    together = [(batch.sort().values.diff() == 1).float().mean() for batch in order]
    assert torch.stack(together).mean() < 0.1  # of a pool's 1,024 rows, a batch holds a sixteenth


@pytest.mark.usefixtures("small_pools")
def test_rows_are_scored_in_their_order():
    data = rows(5003)
    order = eval_order(data, 100)
    assert torch.cat(list(order)).tolist() == list(range(5003))
    assert len(eval_order(rows(0), 100)) == 0


@pytest.mark.usefixtures("small_pools")
def test_rows_are_prepared_a_pool_at_a_time(monkeypatch):
    prepared = []
    monkeypatch.setattr(Rows, "prepare", lambda self, indices: prepared.append(indices))
    data = rows(5000)
    for order in (train_order(data, 32, 0, 0), eval_order(data, 32)):
        prepared.clear()
        for batch, _ in zip(order, order, strict=True):  # the loop and its batches go side by side
            assert torch.isin(batch, prepared[-1]).all()
        assert max(map(len, prepared)) <= 1024
        assert torch.cat(prepared).sort().values.tolist() == list(range(5000))
        assert all((indices.diff() > 0).all() for indices in prepared)
