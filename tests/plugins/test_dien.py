"""DIEN against its equations in plain loops, and where deepctr-torch's own model differs."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ctrbench.api import Batch, ConfigError, FeatureInfo, deepctr_module
from ctrbench_plugins.models import dien as module
from ctrbench_plugins.models.dien import AUGRU, DIEN
from tests.toys import build, toy_batch


def lively(seed: int = 0, **config) -> tuple[DIEN, Batch]:
    """A model whose weights are far enough from zero for every term to show, and a batch."""
    model, featurizer = build("dien", **config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.5, generator=generator)
        model.embedding.table.weight[0] = 0.0
    return model.eval(), toy_batch(featurizer)


def with_history(batch: Batch, history: Tensor) -> Batch:
    return Batch({**batch.x, "history": history}, batch.domain, batch.domains, batch.label, batch.row_id)


def augru_step(cell: AUGRU, x: Tensor, state: Tensor, weight: Tensor) -> Tensor:
    """The paper's equations for one row and step, gate by gate."""
    width = len(state)
    w, b, big_u = cell.input.weight, cell.input.bias, cell.state.weight
    gate = [slice(k * width, (k + 1) * width) for k in range(3)]
    u = torch.sigmoid(w[gate[0]] @ x + big_u[gate[0]] @ state + b[gate[0]])
    r = torch.sigmoid(w[gate[1]] @ x + big_u[gate[1]] @ state + b[gate[1]])
    c = torch.tanh(w[gate[2]] @ x + r * (big_u[gate[2]] @ state) + b[gate[2]])
    u = weight * u
    return (1 - u) * state + u * c


def test_logit_is_the_equation():
    model, batch = lively()
    table = model.embedding.table.weight
    fields = model.embedding(batch)
    cell = nn.GRUCell(table.shape[1], table.shape[1])
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in model.extractor.state_dict().items()})
    logits = model(batch)
    for row, history in enumerate(batch.x["history"]):
        interests, state = [], torch.zeros(1, table.shape[1])
        for item in history[history != 0]:
            state = cell(table[item][None], state)
            interests.append(state[0])
        target = table[batch.x["ids"][row, model.features.ids.index("item")]]
        scores = [interest @ model.attention.weight @ target for interest in interests]
        evolved = torch.zeros(table.shape[1])
        for interest, score in zip(interests, scores, strict=True):
            weight = score.exp() / sum(other.exp() for other in scores)
            evolved = augru_step(model.evolution, interest, evolved, weight)
        mean = table[history].sum(0) / max(len(interests), 1)
        expected = model.mlp(torch.cat((fields[row].flatten(), mean, evolved))[None])[0, 0]
        torch.testing.assert_close(logits[row], expected, atol=1e-4, rtol=1e-4)


def test_attention_is_over_time_and_on_items_only():
    """A softmax over an axis of size one would give 1 to every step."""
    model, batch = lively()
    items, mask = model.embedding.history(batch, "history")
    interests, target = model.extractor(items)[0], model.embedding(batch)[:, model.item]
    weights = model.attend(interests, target, mask)
    assert (weights[~mask] == 0).all()
    torch.testing.assert_close(weights.sum(1), mask.any(1).float())
    long = mask.sum(1) > 1
    assert long.any()
    assert (weights[long].max(1).values < 1).all()
    assert not torch.allclose(weights, model.attend(interests, target.flip(0), mask))


def test_more_padding_changes_no_logit():
    model, batch = lively()
    wider = with_history(batch, functional.pad(batch.x["history"], (0, 4)))
    torch.testing.assert_close(model(wider), model(batch))


def test_the_last_state_is_that_after_the_last_item():
    cell, inputs = AUGRU(5), torch.randn(1, 4, 5)
    weights = torch.tensor([[0.3, 0.7, 0.0, 0.0]])
    assert torch.equal(cell(inputs, weights), cell(inputs[:, :2], weights[:, :2]))


@pytest.mark.parametrize("width", [1, 5])
@pytest.mark.parametrize("rows", [1, 12])
def test_histories_that_are_all_empty(width, rows):
    model, batch = lively()
    x = {name: value[:rows] for name, value in batch.x.items()}
    x["history"] = torch.zeros(rows, width, dtype=torch.int64)
    batch = Batch(x, batch.domain[:rows], batch.domains, batch.label[:rows], batch.row_id[:rows])
    fields = model.embedding(batch).flatten(1)
    expected = model.mlp(torch.cat((fields, torch.zeros(rows, 2 * model.config.embedding_dim)), 1))[:, 0]
    torch.testing.assert_close(model(batch), expected)
    loss = model.loss(batch)
    assert torch.equal(loss, functional.binary_cross_entropy_with_logits(model(batch), batch.label))
    loss.backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        grad = weight.grad.coalesce().values() if weight.grad.is_sparse else weight.grad
        assert grad.isfinite().all(), name


def test_auxiliary_loss_is_the_equation(monkeypatch):
    model, batch = lively()
    history = batch.x["history"]
    drawn = module._draw(history)
    monkeypatch.setattr(module, "_draw", lambda ids: drawn)
    items, table = model.embedding.table(history), model.embedding.table.weight
    interests = model.extractor(items)[0]
    total, pairs = 0.0, 0
    for row in range(len(history)):
        for t in range(history.shape[1] - 1):
            following, other = history[row, t + 1], history.flatten()[drawn[row, t]]
            if following == 0:
                continue
            pairs += 1
            click = model.auxiliary(torch.cat((interests[row, t], table[following]))).sigmoid()
            total = total - click.log()
            if other != following:
                no_click = model.auxiliary(torch.cat((interests[row, t], table[other]))).sigmoid()
                total = total - (1 - no_click).log()
    assert pairs > 1
    torch.testing.assert_close(model.auxiliary_loss(history, items, interests), total[0] / pairs)


def test_auxiliary_loss_is_on_by_default_and_in_the_loss_only(monkeypatch):
    model, batch = lively()
    monkeypatch.setattr(model, "auxiliary_loss", lambda *_: torch.tensor(3.0))
    click = functional.binary_cross_entropy_with_logits(model(batch), batch.label)
    torch.testing.assert_close(model.loss(batch), click + 3.0)
    half, _ = lively(auxiliary_weight=0.5)
    monkeypatch.setattr(half, "auxiliary_loss", lambda *_: torch.tensor(3.0))
    torch.testing.assert_close(half.loss(batch), click + 1.5)


def test_scoring_draws_no_random_number():
    model, batch = lively()
    before = torch.get_rng_state()
    model(batch)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_weight_learns():
    model, batch = lively()
    model.train().loss(batch).backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


def test_negatives_are_the_histories_items_as_often_as_they_occur():
    history = torch.tensor([[5, 6, 0], [5, 0, 0], [0, 0, 0], [5, 8, 0]]).repeat(500, 1)
    drawn = history.flatten()[module._draw(history)]
    assert drawn.shape == (2000, 2)
    share = torch.bincount(drawn.flatten(), minlength=9) / drawn.numel()
    torch.testing.assert_close(share[[0, 5, 6, 8]], torch.tensor([0.0, 0.6, 0.2, 0.2]), atol=0.05, rtol=0.0)


def test_an_item_is_no_negative_of_itself():
    model, batch = lively()
    history = torch.full((len(batch), 3), 7)
    items = model.embedding.table(history)
    interests = model.extractor(items)[0]
    click = model.auxiliary(torch.cat((interests[:, :-1], items[:, 1:]), -1)).sigmoid()
    torch.testing.assert_close(model.auxiliary_loss(history, items, interests), -click.log().mean())


def test_histories_of_one_item_say_nothing_of_what_follows():
    model, _ = lively()
    history = torch.tensor([[3, 0, 0], [4, 0, 0]])
    items = model.embedding.table(history)
    assert model.auxiliary_loss(history, items, model.extractor(items)[0]) == 0


def test_works_in_bf16():
    model, batch = lively()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.loss(batch)
    loss.backward()
    assert loss.isfinite()


def test_a_dataset_without_history_is_refused():
    info = FeatureInfo(ids=("user", "item"), vocabulary=9, unseen=(1, 5))
    with pytest.raises(ConfigError, match="DIEN needs a history"):
        DIEN(DIEN.Config(), info, ("all",))


# deepctr-torch's own DIEN


def packed(values: Tensor) -> nn.utils.rnn.PackedSequence:
    return nn.utils.rnn.pack_padded_sequence(values, torch.full((len(values),), values.shape[1]), batch_first=True)


@torch.no_grad()
def test_deepctr_torch_ties_the_biases_of_its_augru_and_ours_are_the_gates_own():
    """It registers one bias under both names, so that a gate gets it twice; without biases its states are ours."""
    theirs = deepctr_module("layers.sequence").DynamicGRU(4, 4, gru_type="AUGRU")
    assert theirs.rnn.bias_ih is theirs.rnn.bias_hh
    ours = AUGRU(4)
    assert [name for name, _ in ours.named_parameters()] == ["input.weight", "input.bias", "state.weight"]
    for mine, other in ((ours.input.weight, theirs.rnn.weight_ih), (ours.state.weight, theirs.rnn.weight_hh)):
        u, r, c = mine.normal_().chunk(3)
        other.copy_(torch.cat((r, u, c)))  # they keep the reset gate first
    inputs, weights = torch.randn(6, 3, 4), torch.rand(6, 3).softmax(1)

    def last_of_theirs() -> Tensor:
        states = theirs(packed(inputs), packed(weights))
        return nn.utils.rnn.pad_packed_sequence(states, batch_first=True)[0][:, -1]

    ours.input.bias.zero_()
    torch.testing.assert_close(ours(inputs, weights), last_of_theirs())
    bias = torch.randn(12)
    u, r, c = bias.chunk(3)
    ours.input.bias.copy_(bias)
    theirs.rnn.bias_ih.copy_(torch.cat((r, u, c)))
    assert not torch.allclose(ours(inputs, weights), last_of_theirs(), atol=1e-2)
    for row in range(6):
        state = torch.zeros(4)
        for t in range(3):
            state = augru_step(ours, inputs[row, t], state, weights[row, t])
        torch.testing.assert_close(ours(inputs, weights)[row], state)


def test_deepctr_torch_has_no_auxiliary_loss_by_default_and_no_answer_to_empty_histories():
    inputs = deepctr_module("inputs")
    item = inputs.SparseFeat("item", 9, embedding_dim=4)
    past = inputs.VarLenSparseFeat(
        inputs.SparseFeat("hist_item", 9, embedding_dim=4, embedding_name="item"), maxlen=3, length_name="length"
    )
    theirs = deepctr_module("models.dien").DIEN([item, past], ["item"], gru_type="AUGRU", task="regression")
    assert not theirs.use_negsampling
    column = {name: span[0] for name, span in theirs.feature_index.items()}
    x = torch.zeros(2, 5)
    x[:, column["item"]] = 2
    x[0, column["hist_item"]], x[0, column["length"]] = 3, 1
    assert theirs(x).shape == (2, 1)
    x[0, column["hist_item"]] = x[0, column["length"]] = 0
    with pytest.raises(ValueError, match="unpack"):
        theirs(x)
