"""AUC is the chance that a positive row is above a negative one; it is that of scikit-learn, in less memory."""

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from ctrbench.evaluation import metrics
from ctrbench.evaluation.metrics import auc, logloss


def rows(count: int, ties: bool, seed: int = 0):
    random = np.random.default_rng(seed)
    score = random.normal(size=count).astype(np.float32)
    return (random.random(count) < 0.3).astype(np.int8), np.round(score, 1) if ties else score


@pytest.mark.parametrize("at_once", [1, 7, 2**18])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("count", [20, 5000])
def test_auc_is_that_of_scikit_learn(count, ties, at_once, monkeypatch):
    monkeypatch.setattr(metrics, "_AT_ONCE", at_once)
    label, score = rows(count, ties)
    assert auc(label, score) == pytest.approx(roc_auc_score(label, score), rel=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_auc_is_counted_over_all_pairs(ties):
    label, score = rows(60, ties)
    pairs = [(p, n) for p in score[label == 1] for n in score[label == 0]]
    assert auc(label, score) == sum((p > n) + (p == n) / 2 for p, n in pairs) / len(pairs)


def test_auc_knows_its_ends():
    label, score = np.array([0, 0, 1, 1]), np.array([-np.inf, 0.0, 1.0, np.inf])
    assert (auc(label, score), auc(1 - label, score), auc(label, np.zeros(4))) == (1.0, 0.0, 0.5)


@pytest.mark.parametrize("label", [[], [0, 0], [1, 1, 1]])
def test_one_class_has_no_auc(label):
    assert math.isnan(auc(np.array(label, np.int8), np.zeros(len(label), np.float32)))


def test_logloss_is_that_of_scikit_learn():
    label, score = rows(500, ties=False)
    assert logloss(label, score) == pytest.approx(log_loss(label, 1 / (1 + np.exp(-score.astype(float)))))
