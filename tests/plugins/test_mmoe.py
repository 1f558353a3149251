"""MMoE against its equations in plain loops, and against deepctr-torch's own model."""

import torch

from ctrbench_plugins.models.mmoe import MMOE
from tests import peers
from tests.toys import DOMAINS, build, toy_batch


def test_logit_is_the_equation():
    model, featurizer = build("mmoe")
    batch, model = toy_batch(featurizer), model.eval()
    x = model.embedding(batch).flatten(1)
    for row in range(len(batch)):
        domain = DOMAINS[batch.domain[row]]
        scores = model.gates[domain].weight @ x[row]
        weights = [score.exp() / scores.exp().sum() for score in scores]
        mixed = sum(w * expert(x[row][None])[0] for w, expert in zip(weights, model.experts, strict=True))
        torch.testing.assert_close(model(batch)[row], model.towers[domain](mixed[None])[0, 0], atol=1e-5, rtol=1e-4)


def test_every_domains_gate_learns_from_its_own_rows():
    """The published code gave every domain the mixture of domain 0."""
    model, featurizer = build("mmoe")
    batch = toy_batch(featurizer, count=60)
    model.train().loss(batch).backward()
    grads = [model.gates[domain].weight.grad for domain in DOMAINS]
    assert all(grad is not None and grad.abs().sum() > 0 for grad in grads)


def test_two_domains_mix_the_same_row_differently():
    model, featurizer = build("mmoe")
    with torch.no_grad():
        model.towers["games"].load_state_dict(model.towers["books"].state_dict())
        model.embedding.table.weight.normal_()
    heads = model.eval().logits(toy_batch(featurizer), ("books", "games"))
    assert not torch.allclose(heads["books"], heads["games"])


def test_logits_are_those_of_deepctr_torch_with_the_column_of_the_rows_domain():
    theirs = peers.model_of_domains(
        "mmoe", "MMOE", DOMAINS, num_experts=3, expert_dnn_hidden_units=(12, 8), gate_dnn_hidden_units=()
    )
    config = MMOE.Config(embedding_dim=6, expert_hidden=(12, 8), tower_hidden=(8, 4))
    ours = MMOE(config, peers.INFO, DOMAINS).eval()
    peers.copy_table(ours.embedding.table, theirs.embedding_dict)
    for mine, expert in zip(ours.experts, theirs.expert_dnn, strict=True):
        peers.copy_linears(mine, expert.linears)
    for task, domain in enumerate(DOMAINS):
        peers.copy_linears(ours.gates[domain], [theirs.gate_dnn_final_layer[task]])
        final = theirs.tower_dnn_final_layer[task]
        peers.copy_linears(ours.towers[domain], [*theirs.tower_dnn[task].linears, final])
    x, batch = peers.same_rows(domains=DOMAINS)
    peers.assert_same_logits(ours(batch), theirs(x).gather(1, batch.domain[:, None])[:, 0])
