"""One table, sparse gradients, masked means."""

import pytest
import torch

from ctrbench.features.batch import Batch
from ctrbench.features.featurizer import FeatureInfo
from ctrbench.models.layers.embedding import FieldEmbedding

INFO = FeatureInfo(ids=("user", "item"), numbers=("price",), histories=("history",), vocabulary=20, unseen=(1, 9))


def batch() -> Batch:
    x = {
        "ids": torch.tensor([[2, 10], [1, 11], [3, 9]]),
        "numbers": torch.tensor([[0.5], [-1.0], [0.0]]),
        "history": torch.tensor([[10, 11, 0], [0, 0, 0], [12, 0, 0]]),
    }
    return Batch(x, torch.zeros(3).long(), ("a",), torch.zeros(3), torch.arange(3))


def test_fields_are_stacked_as_a_loop_would():
    layer = FieldEmbedding(INFO, 4)
    out, table = layer(batch()), layer.table.weight
    assert out.shape == (3, 4, 4)
    for row in range(3):
        ids = batch().x["ids"][row]
        history = [table[i] for i in batch().x["history"][row].tolist() if i != 0]
        mean = torch.stack(history).mean(0) if history else torch.zeros(4)
        expected = [table[ids[0]], table[ids[1]], batch().x["numbers"][row, 0] * layer.numbers[0], mean]
        torch.testing.assert_close(out[row], torch.stack(expected))


def test_padding_and_unseen_ids_start_at_zero():
    weight = FieldEmbedding(INFO, 4).table.weight
    assert (weight[[0, 1, 9]] == 0).all()
    assert (weight[[2, 3, 10]] != 0).any(1).all()


def test_gradients_hold_only_the_rows_of_the_batch():
    layer = FieldEmbedding(INFO, 4)
    layer(batch()).square().sum().backward()
    grad = layer.table.weight.grad.coalesce()
    assert set(grad.indices()[0].tolist()) - {0} == {1, 2, 3, 9, 10, 11, 12}
    assert grad.values()[grad.indices()[0] == 0].abs().sum() == 0


def test_more_padding_changes_nothing():
    layer, short = FieldEmbedding(INFO, 4), batch()
    padded = torch.cat([short.x["history"], torch.zeros(3, 5).long()], dim=1)
    longer = Batch({**short.x, "history": padded}, short.domain, short.domains, short.label, short.row_id)
    torch.testing.assert_close(layer(longer), layer(short))


@pytest.mark.parametrize("kinds", [("ids",), ("numbers",)])
def test_a_model_may_lack_a_kind_of_field(kinds):
    info = FeatureInfo(ids=INFO.ids, numbers=INFO.numbers if "numbers" in kinds else (), vocabulary=20)
    x = {key: value for key, value in batch().x.items() if key == "ids" or key in kinds}
    some = Batch(x, torch.zeros(3).long(), ("a",), torch.zeros(3), torch.arange(3))
    assert FieldEmbedding(info, 4)(some).shape == (3, len(info.names), 4)
