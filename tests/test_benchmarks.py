"""The benchmarks' own parts, on few rows: a peer for each of ours, the same rows, and rates above zero."""

import pytest
import torch

from ctrbench import registry
from ctrbench.benchmarks.peers import PEER_SIZES, PEERS, Arrays, alike, build_peer, fit_peer, id_models
from ctrbench.benchmarks.speed.id_models import our_rate, random_rows

SIZES = {"user": 9, "item": 7, "genre": 3}


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_trains_and_predicts_on_our_rows(name):
    kind = registry.load("models", name)
    rows, info = random_rows(SIZES, 64, history=kind.needs_history)
    arrays = Arrays.of(rows, info)
    assert arrays.sizes == {field: size + 2 for field, size in SIZES.items()}
    config = kind.Config(**alike(name, 8), **PEER_SIZES[name])
    model = build_peer(name, config, arrays, seed=0)
    before = model.predict(arrays.of_model(model), 64)
    fit_peer(model, arrays, 32)
    after = model.predict(arrays.of_model(model), 64)
    assert before.shape[0] == len(rows)
    assert (before != after).any()


def test_a_peers_ids_are_ours():
    rows, info = random_rows(SIZES, 50, history=True)
    arrays = Arrays.of(rows, info)
    starts = [unseen - 1 for unseen in info.unseen]
    for place, field in enumerate(SIZES):
        assert (arrays.x[field] + starts[place] == rows.features["ids"][:, place].numpy()).all()
    history, mask = rows.features["history"].take(torch.arange(50))
    assert (arrays.x["seq_length"] == mask.sum(1).numpy()).all()
    assert (arrays.x["hist_item"][mask] + starts[1] == history[mask].numpy()).all()
    assert (arrays.x["neg_hist_item"][mask] >= 2).all()


def test_a_rate_is_measured():
    kind = registry.load("models", "deepfm")
    assert our_rate(kind, kind.Config(embedding_dim=4, hidden=(8,)), *random_rows(SIZES, 64, history=False)) > 0


def test_an_unknown_model_ends_the_script_with_the_known_ones():
    with pytest.raises(SystemExit, match="no ID model 'sta'; there are autoint"):
        id_models("deepfm,sta")
