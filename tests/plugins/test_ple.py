"""PLE against its equations in plain loops, and against deepctr-torch's own model."""

import pytest
import torch

from ctrbench.api import ConfigError, UnknownDomain, deepctr_module
from ctrbench_plugins.models.ple import PLE
from tests import peers
from tests.toys import DOMAINS, build, toy_batch

levels = pytest.mark.parametrize("levels", [1, 2, 3])


def rough(model):
    """Embeddings start near zero, where every mixture would pass."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return model.eval()


def softmax(scores):
    return [score.exp() / sum(s.exp() for s in scores) for score in scores]


def mixed(gate, x, outputs):
    weights = softmax([sum(w * v for w, v in zip(row, x, strict=True)) for row in gate.weight])
    return sum(weight * output for weight, output in zip(weights, outputs, strict=True))


def by_hand(model, row, domain):
    """The logit of one row's embeddings, with every domain's mixtures computed at every level."""
    own, shared = dict.fromkeys(DOMAINS, row), row
    for level, parts in enumerate(model.levels):
        outputs = {d: [expert(own[d][None])[0] for expert in parts[d].experts] for d in DOMAINS}
        common = [expert(shared[None])[0] for expert in model.shared_experts[level]]
        up = {d: mixed(parts[d].gate, own[d], [*outputs[d], *common]) for d in DOMAINS}
        if level < len(model.shared_gates):
            every = [output for d in DOMAINS for output in outputs[d]]
            shared = mixed(model.shared_gates[level], shared, [*every, *common])
        own = up
    return model.towers[domain](own[domain][None])[0, 0]


@levels
@torch.no_grad()
def test_logit_is_the_equations(levels):
    model, featurizer = build("ple", levels=levels, shared_experts=2, domain_experts=3)
    batch, model = toy_batch(featurizer), rough(model)
    logits, x = model(batch), model.embedding(batch).flatten(1)
    for row in range(len(batch)):
        expected = by_hand(model, x[row], DOMAINS[batch.domain[row]])
        torch.testing.assert_close(logits[row], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("levels", [1, 2])
def test_logits_are_those_of_deepctr_torch_with_the_column_of_the_rows_domain(levels):
    theirs, ours = side_by_side(levels)
    x, batch = peers.same_rows(domains=DOMAINS)
    peers.assert_same_logits(ours(batch), theirs(x).gather(1, batch.domain[:, None])[:, 0])


def side_by_side(levels, shared=1):
    """deepctr-torch's PLE, and ours with its weights."""
    theirs = peers.model_of_domains(
        "ple",
        "PLE",
        DOMAINS,
        shared_expert_num=shared,
        specific_expert_num=2,
        num_levels=levels,
        expert_dnn_hidden_units=(12, 8),
        gate_dnn_hidden_units=(),
    )
    config = PLE.Config(embedding_dim=6, levels=levels, expert_hidden=(12, 8), tower_hidden=(8, 4))
    ours = PLE(config, peers.INFO, DOMAINS).eval()
    peers.copy_table(ours.embedding.table, theirs.embedding_dict)
    for level in range(levels):
        for task, domain in enumerate(DOMAINS):
            part = ours.levels[level][domain]
            for mine, expert in zip(part.experts, theirs.specific_experts[level][task], strict=True):
                peers.copy_linears(mine, expert.linears)
            peers.copy_linears(part.gate, [theirs.specific_gate_dnn_final_layer[level][task]])
        for mine, expert in zip(ours.shared_experts[level], theirs.shared_experts[level][0], strict=False):
            peers.copy_linears(mine, expert.linears)
        if level < levels - 1:
            peers.copy_linears(ours.shared_gates[level], [theirs.shared_gate_dnn_final_layer[level]])
    for task, domain in enumerate(DOMAINS):
        final = theirs.tower_dnn_final_layer[task]
        peers.copy_linears(ours.towers[domain], [*theirs.tower_dnn[task].linears, final])
    return theirs, ours


def test_unlike_deepctr_torch_nothing_is_built_that_never_learns():
    """It builds as many shared experts as a task has own ones, and a shared gate that no level reads."""
    theirs, ours = side_by_side(levels=2)
    x, batch = peers.same_rows(domains=DOMAINS)
    theirs(x).sum().backward()
    ours(batch).sum().backward()
    idle = {name.split(".")[0] for name, p in theirs.named_parameters() if p.grad is None}
    assert {"shared_experts", "shared_gate_dnn_final_layer"} <= idle
    assert len(theirs.shared_experts[0][0]) == 2  # for shared_expert_num=1
    assert not [name for name, parameter in ours.named_parameters() if parameter.grad is None]


def test_unlike_in_deepctr_torch_there_may_be_more_shared_experts_than_own():
    theirs = deepctr_module("models.multitask.ple").PLE(
        peers.columns(6), shared_expert_num=3, specific_expert_num=2, task_types=("regression",) * 2
    )
    x, batch = peers.same_rows(domains=DOMAINS)
    with pytest.raises(IndexError):
        theirs(x)
    ours = PLE(PLE.Config(embedding_dim=6, shared_experts=3), peers.INFO, DOMAINS)
    assert ours(batch).shape == (len(batch),)


@levels
def test_every_gate_learns(levels):
    model, featurizer = build("ple", levels=levels)
    model.train().loss(toy_batch(featurizer, count=60)).backward()
    gates = [part[d].gate.weight.grad for part in model.levels for d in DOMAINS]
    gates += [gate.weight.grad for gate in model.shared_gates]
    assert len(gates) == 3 * levels + levels - 1
    assert all(grad is not None and grad.abs().sum() > 0 for grad in gates)


@levels
def test_the_last_levels_experts_meet_only_rows_of_their_own_domain(levels):
    model, featurizer = build("ple", levels=levels)
    seen = {}
    for domain in DOMAINS:
        expert = model.levels[-1][domain].experts
        expert.register_forward_pre_hook(lambda _, args, d=domain: seen.__setitem__(d, len(args[0])))
    batch = toy_batch(featurizer, count=30)
    model(batch)
    assert seen == {domain: len(rows) for domain, rows in batch.by_domain()}


def test_four_domains_are_four_domains():
    """The published code built three tasks for four scenarios."""
    domains = ("a", "b", "c", "d")
    ours = PLE(PLE.Config(levels=2), peers.INFO, domains)
    assert ours(peers.same_rows(domains=domains)[1]).isfinite().all()


def test_with_one_level_a_step_on_one_domain_reaches_no_other_domains_experts():
    model, featurizer = build("ple")
    model.loss(toy_batch(featurizer).as_domain("games")).backward()
    learned = {d for d in DOMAINS if any(p.grad is not None for p in model.levels[0][d].parameters())}
    assert learned == {"games"}


def test_with_two_levels_all_lower_experts_learn_from_any_row_and_nothing_else_of_other_domains():
    model, featurizer = build("ple", levels=2)
    model.loss(toy_batch(featurizer).as_domain("games")).backward()
    for domain in ("books", "tools"):
        lower, last = model.levels[0][domain], model.levels[1][domain]
        assert all(p.grad is not None for p in lower.experts.parameters())
        others = [*lower.gate.parameters(), *last.parameters(), *model.towers[domain].parameters()]
        assert all(p.grad is None for p in others)


@levels
def test_a_domain_added_and_trained_leaves_the_others_logits_as_they_were(levels):
    model, featurizer = build("ple", domains=("books", "tools"), levels=levels)
    batch = toy_batch(featurizer, count=40)
    before = rough(model).logits(batch, ("books", "tools"))
    new = model.add_domain("games")
    optimizer = torch.optim.AdamW(new, lr=0.1)
    fresh = model.eval().logits(batch, ("games",))["games"]
    for _ in range(3):
        model.train().loss(batch.as_domain("games")).backward()
        assert all(parameter.grad is not None for parameter in new)
        optimizer.step()
    after = model.eval().logits(batch, ("books", "tools", "games", "own"))
    assert all(torch.equal(before[domain], after[domain]) for domain in before)
    assert not torch.allclose(fresh, after["games"])
    for domain, rows in batch.by_domain():
        torch.testing.assert_close(after["own"][rows], after[domain][rows], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("levels", [2, 3])
def test_an_added_domain_may_go_again_but_not_one_whose_experts_all_domains_read(levels):
    model, featurizer = build("ple", domains=("books", "tools"), levels=levels)
    batch = toy_batch(featurizer).as_domain("books")
    before = model.eval()(batch)
    with pytest.raises(ConfigError, match=rf"'tools' cannot be removed from a PLE of {levels} levels.*levels=1"):
        model.remove_domain("tools")
    with pytest.raises(UnknownDomain):
        model.remove_domain("games")
    model.add_domain("games")
    model.remove_domain("games")
    assert model.domains == ("books", "tools")
    assert torch.equal(before, model.eval()(batch))


def test_with_one_level_any_domain_may_go():
    model, featurizer = build("ple")
    batch = toy_batch(featurizer).as_domain("books")
    before = model.eval()(batch)
    model.remove_domain("tools")
    assert torch.equal(before, model(batch))


def test_logits_are_not_squashed_to_probabilities():
    """The published code gave probabilities to a loss that takes logits."""
    model, featurizer = build("ple")
    logits = rough(model)(toy_batch(featurizer, count=60))
    assert logits.min() < 0
    assert logits.max() > 1


def test_defaults_are_those_of_the_uni_ctr_paper():
    config = PLE.Config()
    assert (config.levels, config.shared_experts, config.domain_experts) == (1, 1, 2)
    assert (config.expert_hidden, config.tower_hidden) == ((1024, 512), (1024, 1024))


@pytest.mark.parametrize("setting", ["levels", "shared_experts", "domain_experts"])
def test_a_count_of_zero_is_refused(setting):
    with pytest.raises(ValueError, match=setting):
        PLE.Config(**{setting: 0})
