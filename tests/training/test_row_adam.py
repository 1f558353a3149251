"""Adam on the rows of a batch."""

import torch

from ctrbench.training.row_adam import RowAdam


def tables(count=2, rows=30):
    first = torch.nn.Embedding(rows, 4, padding_idx=0, sparse=True)
    others = [torch.nn.Embedding(rows, 4, padding_idx=0, sparse=True) for _ in range(count - 1)]
    for other in others:
        other.load_state_dict(first.state_dict())
    return [first, *others]


def step(table, optimizer, ids):
    optimizer.zero_grad(set_to_none=True)
    ((table(ids) - 1.0) ** 2).sum().backward()
    optimizer.step()


def test_steps_are_those_of_torchs_sparse_adam():
    mine, other = tables()
    ours = RowAdam(mine.parameters(), lr=0.1)
    theirs = torch.optim.SparseAdam(list(other.parameters()), lr=0.1)
    for _ in range(20):
        ids = torch.randint(0, 30, (7, 3))  # with repeats, and padding
        step(mine, ours, ids)
        step(other, theirs, ids)
        torch.testing.assert_close(mine.weight, other.weight)


def test_a_step_is_adams_equation_for_a_row():
    (table,) = tables(1)
    optimizer = RowAdam(table.parameters(), lr=0.1)
    weight, mean, square = table.weight[3].detach().clone(), torch.zeros(4), torch.zeros(4)
    for t in (1, 2, 3):
        grad = 2 * 2 * (weight - 1.0)  # the row stands twice in the batch
        step(table, optimizer, torch.tensor([3, 3]))
        mean, square = 0.9 * mean + 0.1 * grad, 0.999 * square + 0.001 * grad**2
        weight = weight - 0.1 * (mean / (1 - 0.9**t)) / ((square / (1 - 0.999**t)).sqrt() + 1e-8)
        torch.testing.assert_close(table.weight[3], weight)


def test_rows_outside_the_batch_and_padding_stay():
    (table,) = tables(1)
    optimizer = RowAdam(table.parameters(), lr=0.1)
    step(table, optimizer, torch.arange(1, 30))  # momentum everywhere
    before = table.weight.detach().clone()
    step(table, optimizer, torch.tensor([0, 5, 6]))
    moved = (table.weight != before).any(1).nonzero()[:, 0].tolist()
    assert moved == [5, 6]
