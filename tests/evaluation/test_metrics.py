"""AUC is the chance that a positive row is above a negative one; it is that of scikit-learn, in less memory."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from ctrbench.evaluation import metrics
from ctrbench.evaluation.metrics import auc, average_precision, grouped_auc, logloss


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


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_is_that_of_scikit_learn(ties):
    label, score = rows(700, ties)
    assert average_precision(label, score) == pytest.approx(average_precision_score(label, score), rel=1e-12)


def test_average_precision_of_ties_does_not_depend_on_their_order():
    label, score = np.array([1, 0, 0, 1, 0]), np.zeros(5)
    assert average_precision(label, score) == average_precision(np.sort(label), score) == 0.4


def test_without_positives_there_is_no_average_precision():
    assert math.isnan(average_precision(np.zeros(3, np.int8), np.arange(3.0)))
    assert average_precision(np.ones(3, np.int8), np.arange(3.0)) == 1.0


@pytest.mark.parametrize("ties", [False, True])
def test_grouped_auc_is_the_mean_over_users_with_both_classes_weighted_by_their_rows(ties):
    label, score = rows(600, ties)
    group = np.random.default_rng(3).integers(0, 150, 600) * 7
    found = []
    for one in np.unique(group):
        mine = group == one
        if 0 < label[mine].sum() < mine.sum():
            found.append((roc_auc_score(label[mine], score[mine]), mine.sum()))
    aucs, counts = zip(*found, strict=True)
    assert len(found) < len(np.unique(group))
    value, count = grouped_auc(label, score, group)
    assert value == pytest.approx(np.average(aucs, weights=counts), rel=1e-12)
    assert count == sum(counts)


def test_grouped_auc_sees_no_difference_between_users():
    label, group = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    assert grouped_auc(label, np.array([1.0, 2.0, 101.0, 102.0]), group) == (1.0, 4)
    assert auc(label, np.array([1.0, 2.0, 101.0, 102.0])) == 0.75


@pytest.mark.parametrize("label", [[], [0, 0], [0, 1]])
def test_where_no_user_has_both_classes_there_is_no_grouped_auc(label):
    value, count = grouped_auc(np.array(label, np.int8), np.arange(len(label)), np.arange(len(label)))
    assert math.isnan(value)
    assert count == 0
