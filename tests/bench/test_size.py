"""On a stand-in, a model counts the embeddings of all ids that are published, and no more than it trains."""

import pytest

from ctrbench import registry
from ctrbench.bench.size import parameters
from ctrbench.bench.spec import RunSpec
from ctrbench.data.stand_in import open_or_stand_in
from ctrbench.features.ids import IdFeaturizer
from ctrbench_plugins.datasets.amazon_published import PAPER_COUNTS

DOMAINS = ("fashion", "gift_cards")


@pytest.fixture(scope="module")
def paper():
    return open_or_stand_in("amazon2018")


def built(data):
    """MMOE with embeddings of eight numbers, one table and no wide one; and its features."""
    info = IdFeaturizer().fit(data.scan("train", DOMAINS), data.items, data.manifest).info
    kind = registry.load("models", "mmoe")
    config = kind.Config(embedding_dim=8, expert_hidden=(4,), tower_hidden=(4,))
    spec = RunSpec(
        model="mmoe", model_version="1", config={}, train={}, domains=DOMAINS, seed=0, dataset=data.fingerprint
    )
    return kind(config, info, DOMAINS), info, spec


def test_embeddings_are_as_many_as_users_and_products_are_published(paper):
    model, info, spec = built(paper)
    every, trained = parameters(model, info, paper, spec)
    assert every == trained
    ids = sum(PAPER_COUNTS[domain].users + PAPER_COUNTS[domain].items for domain in DOMAINS)
    more = every - sum(weight.numel() for weight in model.parameters())
    assert ids < more / 8 < 1.5 * ids  # titles and brands, too


def test_frozen_embeddings_are_not_trained(paper):
    model, info, spec = built(paper)
    model.embedding.requires_grad_(False)
    every, trained = parameters(model, info, paper, spec)
    assert trained < 10_000 < every


def test_data_that_are_here_count_as_they_are(toy):
    info = IdFeaturizer().fit(toy.scan("train"), toy.items, toy.manifest).info
    model = registry.load("models", "mmoe")(registry.load("models", "mmoe").Config(embedding_dim=8), info, toy.domains)
    spec = RunSpec(model="mmoe", model_version="1", config={}, train={}, domains=toy.domains, seed=0, dataset="x")
    assert parameters(model, info, toy, spec)[0] == sum(weight.numel() for weight in model.parameters())
