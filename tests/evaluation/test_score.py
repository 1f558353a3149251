"""Scores come back in the rows' order; AUC is the chance that a positive outranks a negative."""

import math

import numpy as np
import pytest
import torch

from ctrbench.errors import ConfigError, DataError
from ctrbench.evaluation.metrics import auc, logloss
from ctrbench.evaluation.score import domain_aucs, score
from tests.toys import DOMAINS, build, toy_rows, view


def test_auc_is_the_share_of_pairs_in_order():
    random = np.random.default_rng(0)
    label, value = random.integers(0, 2, 60), random.integers(0, 9, 60)
    pairs = [(p > n) + 0.5 * (p == n) for p in value[label == 1] for n in value[label == 0]]
    assert auc(label, value) == pytest.approx(np.mean(pairs))


def test_auc_of_one_class_is_unknown():
    assert math.isnan(auc(np.ones(4), np.arange(4)))


def test_logloss_is_the_equation_and_bears_large_logits():
    label, logit = np.array([1, 0, 1]), np.array([0.3, -2.0, 1.5])
    p = 1 / (1 + np.exp(-logit))
    assert logloss(label, logit) == pytest.approx(-np.mean(label * np.log(p) + (1 - label) * np.log(1 - p)))
    assert logloss(np.array([0]), np.array([1000.0])) == pytest.approx(1000.0)


def test_a_logit_that_is_not_finite_is_an_error():
    model, featurizer = build("deepfm")
    with torch.no_grad():
        model.bias.fill_(math.inf)
    with pytest.raises(DataError, match="try a lower learning rate"):
        score(model, view(featurizer, toy_rows(5)))


def test_where_memory_runs_out_the_size_of_the_batch_and_what_to_lower_are_named():
    model, featurizer = build("deepfm")

    def logits(batch, heads):
        raise torch.OutOfMemoryError("CUDA out of memory")

    model.logits = logits
    with pytest.raises(ConfigError, match=r"out of memory on 5 rows; lower train.score_batch_size$"):
        score(model, view(featurizer, toy_rows(9)), batch_size=5)


@pytest.mark.parametrize("name", ["deepfm", "mmoe", "uni_ctr"])
def test_scores_are_the_models_logits_in_the_rows_order(name):
    model, featurizer = build(name)
    rows = view(featurizer, toy_rows(30, seed=8))
    model.train()
    scored = score(model, rows, ("own", "mean"), batch_size=7)
    assert model.training
    assert scored["row_id"].to_list() == rows.row_id.tolist()
    assert scored["domain"].to_list() == [DOMAINS[d] for d in rows.domain]
    expected = model.eval()(rows.batch(torch.arange(30))).detach()
    torch.testing.assert_close(torch.tensor(scored["own"].to_list()), expected, atol=1e-5, rtol=1e-4)
    assert set(domain_aucs(scored)) == set(scored["domain"])
