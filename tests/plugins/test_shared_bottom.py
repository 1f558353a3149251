"""Shared Bottom against its definition, row by row, and against deepctr-torch's own model."""

import torch

from ctrbench_plugins.models.shared_bottom import SharedBottom
from tests import peers
from tests.toys import DOMAINS, build, toy_batch


def test_logit_is_the_rows_own_tower_on_the_shared_bottom():
    """The published code zipped towers over the batch: tower k saw sample k."""
    model, featurizer = build("shared_bottom")
    batch, model = toy_batch(featurizer, count=24), model.eval()
    with torch.no_grad():
        model.embedding.table.weight.normal_()
    x = model.embedding(batch).flatten(1)
    logits = model(batch)
    assert len(set(batch.domain.tolist())) == 3
    for row in range(len(batch)):
        tower = model.towers[DOMAINS[batch.domain[row]]]
        torch.testing.assert_close(logits[row], tower(model.bottom(x[row][None]))[0, 0], atol=1e-5, rtol=1e-4)


def test_a_row_of_one_domain_teaches_the_bottom_and_its_own_tower_only():
    model, featurizer = build("shared_bottom")
    batch = toy_batch(featurizer).as_domain("games")
    model.loss(batch).backward()
    assert all(parameter.grad is not None for parameter in model.bottom.parameters())
    learned = {d for d in DOMAINS if any(p.grad is not None for p in model.towers[d].parameters())}
    assert learned == {"games"}


def test_without_a_bottom_towers_read_the_embeddings():
    model, featurizer = build("shared_bottom", bottom_hidden=())
    assert model(toy_batch(featurizer)).shape == (12,)


def test_defaults_are_those_of_the_uni_ctr_paper():
    config = SharedBottom.Config()
    assert (config.bottom_hidden, config.tower_hidden) == ((1024, 1024), (1024, 512, 256))


def test_logits_are_those_of_deepctr_torch_with_the_column_of_the_rows_domain():
    theirs = peers.model_of_domains("sharedbottom", "SharedBottom", DOMAINS, bottom_dnn_hidden_units=(16, 12))
    config = SharedBottom.Config(embedding_dim=6, bottom_hidden=(16, 12), tower_hidden=(8, 4))
    ours = SharedBottom(config, peers.INFO, DOMAINS).eval()
    peers.copy_table(ours.embedding.table, theirs.embedding_dict)
    peers.copy_linears(ours.bottom, theirs.bottom_dnn.linears)
    for task, domain in enumerate(DOMAINS):
        final = theirs.tower_dnn_final_layer[task]
        peers.copy_linears(ours.towers[domain], [*theirs.tower_dnn[task].linears, final])
    x, batch = peers.same_rows(domains=DOMAINS)
    peers.assert_same_logits(ours(batch), theirs(x).gather(1, batch.domain[:, None])[:, 0])
