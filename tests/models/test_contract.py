"""Promises of every registered model. Decoupling of domains, independence of rows, heads by name."""

import pytest
import torch

from ctrbench import registry
from ctrbench.errors import ConfigError, NoGeneralHead, UnknownDomain
from ctrbench.features.batch import Batch
from ctrbench.training.config import TrainConfig
from ctrbench.training.optim import build_optimizers
from tests.toys import DOMAINS, build, toy_batch

MODELS = registry.names("models")
JOINT = [name for name in MODELS if registry.load("models", name).category != "single_domain"]

every = pytest.mark.parametrize("name", MODELS)
joint = pytest.mark.parametrize("name", JOINT)


def part(batch: Batch, rows: torch.Tensor) -> Batch:
    x = {key: value[rows] for key, value in batch.x.items()}
    return Batch(x, batch.domain[rows], batch.domains, batch.label[rows], batch.row_id[rows])


def one_domain(batch: Batch, domain: str) -> Batch:
    return part(batch, dict(batch.by_domain())[domain])


@every
def test_a_rows_logit_does_not_depend_on_the_other_rows(name):
    model, featurizer = build(name)
    batch, model = toy_batch(featurizer), model.eval()
    together = model(batch)
    assert together.shape == (len(batch),)
    for row in range(len(batch)):
        alone = model(part(batch, torch.tensor([row])))
        torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=1e-5)


@every
def test_logits_follow_the_rows_when_the_batch_is_reordered(name):
    model, featurizer = build(name)
    batch, model = toy_batch(featurizer), model.eval()
    order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(part(batch, order)), model(batch)[order], atol=1e-5, rtol=1e-5)


@every
def test_every_trainable_parameter_gets_a_gradient_from_a_batch_of_all_domains(name):
    model, featurizer = build(name)
    batch = toy_batch(featurizer, count=64)
    model.train().loss(batch).backward()
    step = torch.optim.SGD([p for p in model.parameters() if p.requires_grad and not p.grad.is_sparse], lr=0.1)
    step.step()  # LoRA's first factor learns only after its second, which starts at zero, has moved
    model.loss(batch).backward()
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            grad = parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad
            assert grad.abs().sum() > 0, key


@joint
def test_a_step_on_one_domain_leaves_the_others_networks_as_they_were(name):
    model, featurizer = build(name)
    batch = toy_batch(featurizer, count=64)
    config = TrainConfig(optimizer="adamw", weight_decay=0.1, lr=0.1)
    optimizers = build_optimizers(model.parameter_groups(), config)

    def step(some: Batch) -> None:
        model.train().loss(some).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    step(batch)  # every parameter now has momentum that could leak
    before = {key: value.clone() for key, value in model.state_dict().items()}
    step(one_domain(batch, "games"))
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert any("domain_games" in key for key in moved)
    assert not [key for key in moved if "domain_books" in key or "domain_tools" in key]


@joint
def test_every_domain_has_parameters_of_its_own(name):
    model, featurizer = build(name)
    batch = toy_batch(featurizer, count=64)
    model.eval()
    logits = model.logits(batch, DOMAINS)
    assert not torch.allclose(logits["books"], logits["games"])


@every
def test_heads_by_name(name):
    model, featurizer = build(name)
    batch, model = toy_batch(featurizer, count=24), model.eval()
    heads = model.logits(batch, ("own", "mean", *DOMAINS))
    stacked = torch.stack([heads[domain].sigmoid() for domain in DOMAINS])
    torch.testing.assert_close(heads["mean"].sigmoid(), stacked.mean(0), atol=1e-5, rtol=1e-4)
    for domain, rows in batch.by_domain():
        torch.testing.assert_close(heads["own"][rows], heads[domain][rows], atol=1e-5, rtol=1e-5)


@every
def test_an_unknown_head_is_an_error_that_names_the_known_ones(name):
    model, featurizer = build(name)
    with pytest.raises(UnknownDomain, match="books, games, tools"):
        model.logits(toy_batch(featurizer), ("shoes",))


@every
def test_a_row_of_an_unknown_domain_is_an_error_never_a_constant(name):
    model, featurizer = build(name, domains=("books", "games"))
    with pytest.raises(UnknownDomain, match="tools"):
        model.eval().logits(toy_batch(featurizer, count=40), ("own",))


@every
def test_a_model_without_networks_per_domain_refuses_a_new_domain_and_stays_as_it_was(name):
    model, _ = build(name)
    if name in JOINT:
        return
    with pytest.raises(ConfigError, match="no network per domain"):
        model.add_domain("shoes")
    assert all(p.requires_grad for p in model.parameters())
    assert model.requires_grad_(False).train().training


@every
def test_the_general_head_is_there_or_an_error(name):
    model, featurizer = build(name)
    batch = toy_batch(featurizer)
    if model.has_general_head:
        assert model.eval().forward_general(batch).shape == (len(batch),)
    else:
        with pytest.raises(NoGeneralHead):
            model.forward_general(batch)


@joint
def test_domains_come_and_go_by_name(name):
    model, featurizer = build(name, domains=("books", "tools"))
    batch = toy_batch(featurizer, count=40)
    model.eval()
    with torch.no_grad():
        before = model.logits(batch, ("books", "tools"))
    state = {key: value.clone() for key, value in model.state_dict().items()}
    new = model.add_domain("games")
    model.eval()
    assert new
    with torch.no_grad():
        after = model.logits(batch, ("books", "tools", "games"))
    assert torch.equal(before["books"], after["books"])
    assert torch.equal(before["tools"], after["tools"])
    model.remove_domain("games")
    assert model.domains == ("books", "tools")
    assert model.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    with pytest.raises(ConfigError, match="already"):
        model.add_domain("books")
    with pytest.raises(UnknownDomain, match="games"):
        model.remove_domain("games")


@pytest.mark.parametrize("domain", ["items", "training", "a.b", "forward", "ünïcode / slash"])
@joint
def test_a_domain_may_have_any_name(name, domain):
    model, featurizer = build(name, domains=(domain,))
    batch = toy_batch(featurizer).as_domain(domain)
    assert torch.isfinite(model.eval()(batch)).all()


@every
def test_the_seed_decides_the_weights(name):
    first, again, other = (build(name, seed=seed)[0].state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@every
def test_a_config_refuses_unknown_keys_and_survives_json(name):
    kind = registry.load("models", name)
    config = kind.Config()
    assert kind.Config.model_validate_json(config.model_dump_json()) == config
    with pytest.raises(ValueError, match="dropuot"):
        kind.Config(dropuot=0.1)
