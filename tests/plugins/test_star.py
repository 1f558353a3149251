"""STAR against its equations in plain loops; what its statistics are, and whom they touch."""

from math import sqrt

import pytest
import torch

from ctrbench.api import Batch
from ctrbench_plugins.models.star import EPSILON, MOMENTUM, STAR, DomainNetwork, SharedParameters
from tests import peers
from tests.toys import DOMAINS, build, toy_batch

STATISTICS = ("mean", "variance", "batches")


def rough(model):
    """W_d start at 1 and embeddings near 0, where mistakes would pass; statistics away from their start."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
        for network in [model.networks[domain] for domain in model.domains]:
            network.mean.normal_()
            network.variance.uniform_(0.5, 2.0)
    return model


def some(batch, rows):
    """Only these rows of a batch."""
    x = {key: value[rows] for key, value in batch.x.items()}
    return Batch(x, batch.domain[rows], batch.domains, batch.label[rows], batch.row_id[rows])


def star(width=5, hidden=(4, 3), dropout=0.0):
    """One domain's network and the shared parameters, all drawn at random."""
    network, shared = DomainNetwork((width, *hidden, 1), dropout), SharedParameters((width, *hidden, 1))
    with torch.no_grad():
        for parameter in [*network.parameters(), *shared.parameters()]:
            parameter.normal_()
    return network, shared


def statistics(network):
    return {name: getattr(network, name).clone() for name in STATISTICS}


def same(before, after):
    return all(torch.equal(before[name], after[name]) for name in STATISTICS)


def normalised(z, mean, variance, network, shared):
    """One row by the equation."""
    return [
        shared.gamma[i] * network.gamma[i] * (z[i] - mean[i]) / sqrt(variance[i] + EPSILON)
        + shared.beta[i]
        + network.beta[i]
        for i in range(len(z))
    ]


def layers(x, network, shared):
    """W* and b* entry by entry; ReLU on all layers but the last."""
    for depth, (w, w_d, b, b_d) in enumerate(
        zip(shared.weights, network.weights, shared.biases, network.biases, strict=True)
    ):
        x = [sum(w[o, i] * w_d[o, i] * x[i] for i in range(len(x))) + b[o] + b_d[o] for o in range(len(b))]
        if depth < len(shared.weights) - 1:
            x = [max(value, torch.zeros(())) for value in x]
    return x[0]


@torch.no_grad()
def test_logit_is_the_equations_at_eval():
    model, featurizer = build("star")
    batch, model = toy_batch(featurizer, count=6), rough(model).eval()
    logits, z = model(batch), model.embedding(batch).flatten(1)
    for row in range(len(batch)):
        domain = DOMAINS[batch.domain[row]]
        network = model.networks[domain]
        x = normalised(z[row], network.mean, network.variance, network, model.shared)
        beside = torch.cat((z[row], model.vectors[domain].vector))
        expected = layers(x, network, model.shared) + model.auxiliary(beside[None])[0, 0]
        torch.testing.assert_close(logits[row], expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_logit_is_the_equations_in_training_with_the_statistics_of_the_domains_rows():
    model, featurizer = build("star", dropout=0.0)
    batch, model = toy_batch(featurizer, count=9), rough(model).train()
    z = model.embedding(batch).flatten(1)
    logits = model(batch)
    for domain, rows in batch.by_domain():
        network, count = model.networks[domain], len(rows)
        assert count > 1
        mean = [sum(z[row, i] for row in rows) / count for i in range(z.shape[1])]
        variance = [sum((z[row, i] - mean[i]) ** 2 for row in rows) / count for i in range(z.shape[1])]
        for row in rows:
            x = normalised(z[row], mean, variance, network, model.shared)
            beside = torch.cat((z[row], model.vectors[domain].vector))
            expected = layers(x, network, model.shared) + model.auxiliary(beside[None])[0, 0]
            torch.testing.assert_close(logits[row], expected, atol=1e-3, rtol=1e-3)


def test_every_layer_the_last_too_is_a_product_of_two():
    """The published code had one star layer below shared ones."""
    model, _ = build("star", hidden=(16, 8))
    shapes = [tuple(weight.shape) for weight in model.shared.weights]
    assert [shape[0] for shape in shapes] == [16, 8, 1]
    for domain in DOMAINS:
        assert [tuple(weight.shape) for weight in model.networks[domain].weights] == shapes


def test_a_domain_starts_as_the_shared_network():
    """The published code left one domain's weights uninitialised."""
    model, _ = build("star")
    for domain in (*DOMAINS, "shoes"):
        if domain == "shoes":
            model.add_domain(domain)
        network = model.networks[domain]
        for ones in (network.gamma, network.variance, *network.weights):
            assert torch.equal(ones, torch.ones_like(ones))
        for zeros in (network.beta, network.mean, network.batches, *network.biases):
            assert torch.equal(zeros, torch.zeros_like(zeros))


def test_the_shared_weights_start_as_those_of_a_linear_layer():
    weight = SharedParameters((400, 300)).weights[0]
    assert weight.abs().max() <= 1 / sqrt(400)
    torch.testing.assert_close(weight.std(), torch.nn.Linear(400, 300).weight.std(), rtol=0.05, atol=0)


def test_a_rows_logit_at_eval_is_its_own_although_training_statistics_are_the_batchs():
    model, featurizer = build("star", dropout=0.0)
    batch, model = toy_batch(featurizer, count=30), rough(model)
    half = some(batch, torch.arange(15))
    before = model.train()(half)
    assert not torch.allclose(before, model(batch)[:15], atol=1e-3)
    torch.testing.assert_close(model.eval()(half), model(batch)[:15], atol=1e-5, rtol=1e-5)


def test_eval_moves_no_statistics():
    model, featurizer = build("star")
    before = {domain: statistics(model.networks[domain]) for domain in DOMAINS}
    model.eval()(toy_batch(featurizer))
    assert all(same(before[domain], statistics(model.networks[domain])) for domain in DOMAINS)


def test_training_moves_the_statistics_of_the_present_domains_only():
    model, featurizer = build("star")
    before = {domain: statistics(model.networks[domain]) for domain in DOMAINS}
    model.train()(toy_batch(featurizer).as_domain("games"))
    still = [domain for domain in DOMAINS if same(before[domain], statistics(model.networks[domain]))]
    assert still == ["books", "tools"]


def test_moving_averages_are_plain_averages_first_and_then_forget():
    network, shared = star()
    mean, variance = torch.zeros(5), torch.zeros(5)
    for step in range(1, 26):
        z = torch.randn(8, 5) * step + step
        network.train()(z, shared)
        weight = max(1 / step, MOMENTUM)
        for i in range(5):
            batch_mean = sum(z[:, i]) / 8
            mean[i] += weight * (batch_mean - mean[i])
            variance[i] += weight * (sum((v - batch_mean) ** 2 for v in z[:, i]) / 7 - variance[i])
    torch.testing.assert_close(network.mean, mean.detach(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(network.variance, variance.detach(), atol=1e-3, rtol=1e-4)


def test_after_one_batch_eval_is_nearly_what_training_was():
    """Averages that started at 0 and 1 would need dozens of batches, and a small dataset has few."""
    network, shared = star()
    z = 0.01 * torch.randn(500, 5)
    torch.testing.assert_close(network.train()(z, shared), network.eval()(z, shared), atol=0.05, rtol=0.05)


def test_a_single_row_meets_the_averages_and_does_not_move_them():
    """A row alone has no variance: normalised by its own statistics, it would be nothing but beta."""
    network, shared = star()
    network.train()(torch.randn(20, 5), shared)
    before = statistics(network)
    rows = torch.randn(2, 1, 5)
    one, other = (network.train()(row, shared) for row in rows)
    assert same(before, statistics(network))
    assert not torch.allclose(one, other)
    assert torch.equal(one, network.eval()(rows[0], shared))


def test_one_row_per_domain_trains_all_that_a_domain_owns():
    model, featurizer = build("star")
    batch = toy_batch(featurizer, count=40)
    single = some(batch, torch.stack([rows[0] for _, rows in batch.by_domain()]))
    rough(model).train()
    model.loss(single).backward()
    for domain in DOMAINS:
        for name, parameter in model.networks[domain].named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
        assert model.networks[domain].gamma.grad.abs().sum() > 0


def test_what_is_one_value_in_a_domain_says_nothing_at_eval_as_in_training():
    """A moving mean lags behind an embedding that learns, and 1 / sqrt(epsilon) would make much of the rest."""
    network, shared = star(dropout=0.0)
    z = torch.randn(50, 5)
    z[:, 2] = 0.3
    for _ in range(3):
        network.train()(z, shared)
    moved = z.clone()
    moved[:, 2] = 0.4
    torch.testing.assert_close(network.train()(z, shared), network(moved, shared), atol=1e-4, rtol=1e-4)
    assert torch.equal(network.eval()(z, shared), network(moved, shared))
    moved[:, 1] += 0.1
    assert not torch.allclose(network(z, shared), network(moved, shared))


def test_main_and_auxiliary_add_up_without_an_activation():
    """The published code gave probabilities to a loss that takes logits."""
    model, featurizer = build("star")
    batch, model = toy_batch(featurizer, count=60), rough(model).eval()
    with torch.no_grad():
        logits = model(batch)
        assert logits.min() < 0
        assert logits.max() > 1
        for parameter in model.auxiliary.parameters():
            parameter.zero_()
        main = model(batch)
        model.auxiliary[-1].bias.fill_(3.0)
        torch.testing.assert_close(model(batch), main + 3.0)
    assert not torch.allclose(logits, main)


def test_the_auxiliary_network_sees_the_domain():
    model, featurizer = build("star")
    batch, model = toy_batch(featurizer), rough(model).eval()
    seen = []
    model.auxiliary.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(batch)
    model(batch.as_domain("tools"))
    for row in range(len(batch)):
        own = model.vectors[DOMAINS[batch.domain[row]]].vector
        torch.testing.assert_close(seen[0][row], torch.cat((model.embedding(batch)[row].flatten(), own)))
        torch.testing.assert_close(seen[1][row, -len(own) :], model.vectors["tools"].vector)


def test_one_domains_rows_teach_its_own_and_the_shared_parameters_only():
    model, featurizer = build("star")
    model.train().loss(toy_batch(featurizer).as_domain("games")).backward()
    assert all(parameter.grad is not None for parameter in model.shared.parameters())
    for part in (model.networks, model.vectors):
        learned = {d for d in DOMAINS if any(p.grad is not None for p in part[d].parameters())}
        assert learned == {"games"}


def test_an_added_domain_learns_its_statistics_while_all_else_stays_frozen():
    """The published code trained its frozen base on data of the new domain first."""
    model, featurizer = build("star", domains=("books", "tools"))
    batch = toy_batch(featurizer, count=40)
    rough(model)
    before = model.eval().logits(batch, ("books", "tools"))
    state = {key: value.clone() for key, value in model.state_dict().items()}
    new = model.add_domain("games")
    optimizer = torch.optim.AdamW(new, lr=0.1)
    for _ in range(3):
        model.train().loss(batch.as_domain("games")).backward()
        optimizer.step()
    model.train()(batch.as_domain("books"))  # a frozen domain keeps its averages, even here
    assert model.networks["games"].batches == 3
    assert all(torch.equal(model.state_dict()[key], value) for key, value in state.items())
    after = model.eval().logits(batch, ("books", "tools"))
    assert all(torch.equal(before[domain], after[domain]) for domain in before)


def test_statistics_travel_with_the_weights():
    model, featurizer = build("star")
    batch = toy_batch(featurizer, count=40)
    model.train()(batch)
    other, _ = build("star", seed=1)
    other.load_state_dict(model.state_dict())
    assert torch.equal(model.eval()(batch), other.eval()(batch))


@pytest.mark.parametrize("domains", [("all",), DOMAINS])
def test_half_precision_leaves_the_statistics_whole(domains):
    model = STAR(STAR.Config(hidden=(8,), auxiliary_hidden=(8,)), peers.INFO, domains)
    _, batch = peers.same_rows(domains=domains)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.train().loss(batch)
    loss.backward()
    assert loss.isfinite()
    assert {getattr(model.networks[d], name).dtype for d in domains for name in STATISTICS[:2]} == {torch.float32}


def test_without_hidden_layers_the_last_is_the_only_one():
    model, featurizer = build("star", hidden=(), auxiliary_hidden=())
    assert model(toy_batch(featurizer)).shape == (12,)


def test_defaults_are_those_of_the_uni_ctr_paper():
    config = STAR.Config()
    assert config.hidden == config.auxiliary_hidden == (1024, 512, 256)
