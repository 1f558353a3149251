"""DeLong's test, the paired bootstrap and Holm's correction, against published numbers, scipy and plain loops."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from ctrbench.evaluation import significance
from ctrbench.evaluation.metrics import auc
from ctrbench.evaluation.significance import (
    Estimate,
    Placements,
    auc_estimate,
    delong,
    guessing,
    holm,
    resampled,
    training_noise,
)

# The example of DeLong, DeLong and Clarke-Pearson 1988: albumin and total protein (g/dl) and the K-G score (0 is best)
# of the 43 of 49 patients with ovarian cancer who had all three measured, by whether surgery helped.
NOT_HELPED = (
    *((3.0, 5.8, 10), (2.8, 4.8, 6), (0.9, 4.0, 5), (2.5, 5.7, 8), (3.6, 6.7, 4), (4.2, 7.6, 4)),
    *((4.0, 6.6, 6), (3.0, 4.7, 8), (3.3, 6.8, 6), (1.7, 4.0, 7), (2.9, 5.7, 9), (2.8, 6.2, 8)),
)
HELPED = (
    *((3.2, 6.3, 5), (3.9, 6.8, 3), (3.2, 5.8, 3), (1.6, 5.6, 5), (3.8, 5.7, 5), (3.7, 6.7, 6), (3.2, 5.4, 4)),
    *((3.8, 6.6, 6), (4.1, 6.6, 5), (3.6, 5.7, 5), (4.3, 7.0, 4), (2.3, 4.4, 6), (3.5, 5.8, 6), (3.8, 6.8, 7)),
    *((4.5, 7.4, 5), (3.7, 7.4, 5), (3.1, 6.6, 6), (4.1, 8.2, 6), (4.3, 7.0, 5), (4.3, 6.5, 4), (3.2, 5.1, 5)),
    *((2.6, 4.7, 6), (3.7, 6.1, 5), (3.3, 6.3, 7), (4.2, 7.7, 6), (3.5, 6.2, 5), (2.1, 4.8, 7), (4.0, 7.0, 7)),
    *((3.3, 5.7, 6), (3.7, 6.9, 5), (3.6, 6.6, 5)),
)


def ovarian_cancer():
    label = np.array([0] * len(NOT_HELPED) + [1] * len(HELPED))
    albumin, protein, score = np.array(NOT_HELPED + HELPED).T
    return {
        name: Placements.of(label, column)
        for name, column in (("albumin", albumin), ("protein", protein), ("k-g", -score))
    }


@pytest.mark.parametrize(
    ("test", "area", "error", "low", "high"),
    [
        ("albumin", 0.7366, 0.0927, 0.5549, 0.9182),
        ("protein", 0.6478, 0.1000, 0.4518, 0.8439),
        ("k-g", 0.7258, 0.1028, 0.5243, 0.9273),
    ],
)
def test_auc_and_interval_are_those_published_for_delongs_own_example(test, area, error, low, high):
    found = auc_estimate(ovarian_cancer()[test])
    assert [found.value, found.std, *found.interval] == pytest.approx([area, error, low, high], abs=5.1e-5)


@pytest.mark.parametrize(
    ("test", "difference", "error", "low", "high", "p"),
    [("albumin", 0.0108, 0.0953, -0.1761, 0.1976, 0.9102), ("protein", -0.0780, 0.1046, -0.2830, 0.1271, 0.4561)],
)
def test_differences_from_the_k_g_score_are_those_published(test, difference, error, low, high, p):
    of = ovarian_cancer()
    found = delong(of[test], of["k-g"])
    wanted = [difference, error, low, high, p]
    assert [found.value, found.std, *found.interval, found.p] == pytest.approx(wanted, abs=5.1e-5)


def rows(count=80, ties=False, seed=0, models=2):
    """Labels, and scores of some models that are right about the same rows."""
    random = np.random.default_rng(seed)
    label = (random.random(count) < 0.6).astype(np.int8)
    known = random.normal(size=count) + label
    scores = [(known + random.normal(size=count)).astype(np.float32) for _ in range(models)]
    return label, [np.round(score, 1) if ties else score for score in scores]


def u_statistic_variance(label, one, other):
    """Of the difference between two AUCs, by DeLong's definition, pair by pair."""

    def kernel(score, p, n):
        return (score[p] > score[n]) + (score[p] == score[n]) / 2

    positives, negatives = np.flatnonzero(label), np.flatnonzero(label == 0)
    gaps = {(p, n): kernel(one, p, n) - kernel(other, p, n) for p in positives for n in negatives}
    by_positive = [np.mean([gaps[p, n] for n in negatives]) for p in positives]
    by_negative = [np.mean([gaps[p, n] for p in positives]) for n in negatives]
    return np.var(by_positive, ddof=1) / len(positives) + np.var(by_negative, ddof=1) / len(negatives)


@pytest.mark.parametrize("ties", [False, True])
def test_delong_is_its_definition_pair_by_pair(ties):
    label, (one, other) = rows(ties=ties)
    found = delong(Placements.of(label, one), Placements.of(label, other))
    assert found.value == pytest.approx(roc_auc_score(label, one) - roc_auc_score(label, other), rel=1e-9)
    assert found.std**2 == pytest.approx(u_statistic_variance(label, one, other), rel=1e-9)


def test_delongs_p_is_near_that_of_all_permutations():
    """Exchanging what the two models say of a row changes nothing when they are equally good: 2^12 ways to do so."""
    label = np.array([0, 1] * 6)
    one, other = (stats.rankdata(score) for score in rows(12, seed=5)[1])

    def difference(a, b):
        return auc(label, a) - auc(label, b)

    exact = stats.permutation_test((one, other), difference, permutation_type="samples", n_resamples=np.inf)
    assert len(exact.null_distribution) == 2**12
    found = delong(Placements.of(label, one), Placements.of(label, other))
    assert found.value == pytest.approx(exact.statistic)
    assert found.p == pytest.approx(exact.pvalue, abs=0.02)


def test_a_p_value_is_that_of_the_normal_distribution_also_far_out():
    for value in (0.0, 0.5, -1.96, 3.0, 30.0):
        assert Estimate(value, 1.0).p == pytest.approx(2 * stats.norm.sf(abs(value)), rel=1e-9)
    assert Estimate(2.0, 3.0).interval == pytest.approx(stats.norm.interval(0.95, 2.0, 3.0))


def test_equal_scores_do_not_differ_and_what_shows_no_variation_is_not_tested():
    label, (one, _) = rows()
    same = delong(Placements.of(label, one), Placements.of(label, one))
    assert (same.value, same.std, same.p) == (0.0, 0.0, 1.0)
    perfect = delong(Placements.of(label, label), Placements.of(label, np.zeros(len(label))))
    assert perfect.value == 0.5
    assert math.isnan(perfect.p)


def test_one_row_of_a_class_has_an_auc_but_no_interval():
    found = auc_estimate(Placements.of(np.array([1, 0, 0]), np.array([2.0, 1.0, 3.0])))
    assert found.value == 0.5
    assert math.isnan(found.std)
    assert np.isnan(resampled([[Placements.of(np.array([1, 0, 0]), np.array([2.0, 1.0, 3.0]))]], draws=3)).all()


@pytest.mark.parametrize("ties", [False, True])
def test_the_mean_of_either_classes_components_is_the_auc(ties):
    label, (score, _) = rows(ties=ties)
    placements = Placements.of(label, score)
    wanted = pytest.approx(roc_auc_score(label, score), rel=1e-12)
    assert (placements.auc, *(part.mean() for part in placements.components())) == (wanted, wanted, wanted)


def test_the_bootstraps_spread_is_that_of_scipys():
    label, scores = rows(60, seed=3)
    one, other = (Placements.of(label, score) for score in scores)
    draws = resampled([[one], [other]], draws=20_000)

    def difference(positive, negative):
        drawn = np.concatenate([positive, negative]).astype(int)
        return auc(label[drawn], scores[0][drawn]) - auc(label[drawn], scores[1][drawn])

    wanted = stats.bootstrap(
        (np.flatnonzero(label), np.flatnonzero(label == 0)),
        difference,
        n_resamples=4000,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    assert (draws[:, 0] - draws[:, 1]).std() == pytest.approx(wanted.standard_error, rel=0.04)


def test_of_many_rows_the_bootstraps_spread_is_delongs():
    label, (one, other) = rows(3000)
    pair = Placements.of(label, one), Placements.of(label, other)
    draws = resampled([[pair[0]], [pair[1]]])
    assert (draws[:, 0] - draws[:, 1]).std() == pytest.approx(delong(*pair).std, rel=0.06)


def test_a_bootstrap_is_repeatable_and_may_be_done_in_parts(monkeypatch):
    label, scores = rows(models=3)
    models = [[Placements.of(label, score)] for score in scores]
    whole = resampled(models, draws=50)
    assert np.array_equal(whole, resampled(models, draws=50))
    assert not np.array_equal(whole, resampled(models, draws=50, seed=1))
    monkeypatch.setattr(significance, "_AT_ONCE", 3 * len(label))
    in_parts = resampled(models, draws=2000)
    monkeypatch.undo()
    assert in_parts.std(axis=0) == pytest.approx(resampled(models).std(axis=0), rel=0.1)


def test_equal_models_are_drawn_on_the_same_rows():
    label, (score, _) = rows()
    draws = resampled([[Placements.of(label, score)], [Placements.of(label, score)]], draws=100)
    assert np.array_equal(draws[:, 0], draws[:, 1])
    assert draws.std() > 0


def test_seeds_that_agree_have_no_noise_of_training_and_one_seed_says_nothing_of_it():
    label, (score, _) = rows()
    one = Placements.of(label, score)
    assert training_noise([one.auc], np.zeros((9, 1))) == 0.0
    assert resampled([[one, one]], draws=100) == pytest.approx(resampled([[one]], draws=100), rel=1e-9)


@pytest.mark.parametrize(("of_rows", "left"), [(0.05, (0.01 - 0.05**2) / 3), (0.2, 0.0)])
def test_the_noise_of_training_is_the_variance_over_seeds_without_that_of_rows(of_rows, left):
    drawn = 0.7 + np.random.default_rng(0).normal(scale=of_rows, size=(20_000, 3))
    assert training_noise([0.6, 0.7, 0.8], drawn) ** 2 == pytest.approx(left, rel=0.02)


def test_the_noise_of_training_is_what_row_noise_does_not_explain():
    """Seeds of one skill differ on 400 rows, too; seeds of different skill differ more."""
    random = np.random.default_rng(0)
    label = (random.random(400) < 0.5).astype(np.int8)
    known = random.normal(size=400) + 1.5 * label

    def spread(skills):
        found = [Placements.of(label, skill * known + random.normal(size=400)) for skill in skills]
        return np.std([one.auc for one in found], ddof=1), resampled([found], draws=500)[:, 0].std()

    alike, mixed = spread([1.0] * 8), spread([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0])
    rows_alone = resampled([[Placements.of(label, known + random.normal(size=400))]], draws=500).std()
    assert alike[1] < 1.1 * rows_alone
    assert mixed[1] > mixed[0] / math.sqrt(8) > 1.5 * rows_alone


def test_a_test_at_5_percent_finds_a_difference_between_equal_models_in_about_5_of_100():
    random = np.random.default_rng(0)
    found = 0
    for _ in range(400):
        label = (random.random(120) < 0.5).astype(np.int8)
        known = random.normal(size=120) + label
        found += delong(*(Placements.of(label, known + random.normal(size=120)) for _ in range(2))).p < 0.05
    assert 0.02 < found / 400 < 0.09


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([]).tolist() == []


def test_holm_is_its_definition_and_leaves_out_what_was_not_tested():
    p = np.random.default_rng(4).random(12) ** 3
    p[[2, 7]] = np.nan
    known = [value for value in p if not math.isnan(value)]
    wanted = []
    for value in p:
        before = [one for one in known if one <= value]
        steps = [(len(known) - sum(other < one for other in known)) * one for one in before]
        wanted.append(min(1.0, max(steps)) if steps else math.nan)
    assert holm(p) == pytest.approx(wanted, nan_ok=True)


def test_holm_never_reorders():
    p = np.random.default_rng(5).random(30) ** 4
    adjusted = holm(p)
    assert all(
        (adjusted[a] <= adjusted[b]) == (p[a] <= p[b]) or adjusted[a] == adjusted[b]
        for a, b in combinations(range(30), 2)
    )


def test_guessing_varies_as_random_scores_do():
    label = np.repeat([1, 0], [30, 20])
    random = np.random.default_rng(0)
    drawn = [Placements.of(label, random.normal(size=50)).auc for _ in range(4000)]
    wanted = guessing(30, 20)
    assert np.mean(drawn) == pytest.approx(wanted.value, abs=0.01)
    assert np.std(drawn) == pytest.approx(wanted.std, rel=0.05)
