"""A reliability diagram sorts rows into bins of equal mass; ECE is the mean distance of its points to the diagonal."""

import math

import numpy as np
import pytest

from ctrbench.evaluation.calibration import calibration_error, reliability


def rows(count=997, seed=0):
    random = np.random.default_rng(seed)
    logit = random.normal(size=count).astype(np.float32)
    return (random.random(count) < 1 / (1 + np.exp(-2 * logit))).astype(np.int8), logit


def by_hand(label, logit, bins):
    """Without ties: the n-th of k equal parts of the rows by rank."""
    probability = 1 / (1 + np.exp(-logit.astype(np.float64)))
    order = np.argsort(probability)
    found = []
    for part in range(bins):
        rows = order[part * len(order) // bins : (part + 1) * len(order) // bins]
        found.append((probability[rows].mean(), label[rows].mean(), len(rows)))
    return found


@pytest.mark.parametrize("bins", [1, 4, 15])
def test_bins_hold_equally_many_rows_in_order_of_probability(bins):
    label, logit = rows()
    found = reliability(label, logit, bins)
    wanted = by_hand(label, logit, bins)
    assert [list(found[key]) for key in ("predicted", "observed", "rows")] == [
        pytest.approx(list(column)) for column in zip(*wanted, strict=True)
    ]
    assert (found["low"] <= found["predicted"]).all()
    assert (found["predicted"] <= found["high"]).all()
    assert (found["high"][:-1] < found["low"][1:]).all()


def test_ece_is_the_mean_distance_of_predicted_from_observed():
    label, logit = rows()
    wanted = sum(count * abs(observed - predicted) for predicted, observed, count in by_hand(label, logit, 15))
    assert calibration_error(label, logit) == pytest.approx(wanted / len(label))


def test_equal_probabilities_share_a_bin_whatever_the_order_of_rows():
    label, logit = rows()
    coarse = np.round(logit)
    order = np.random.default_rng(1).permutation(len(label))
    one, other = reliability(label, coarse), reliability(label[order], coarse[order])
    assert one.equals(other)
    assert one["rows"].sum() == len(label)
    assert one["low"].n_unique() == one.height < 15


def test_a_constant_that_is_the_click_rate_is_calibrated_and_one_that_is_not_is_off_by_the_difference():
    label = np.array([1, 1, 1, 0] * 10, np.int8)
    sure = np.full(40, math.log(3), np.float32)
    assert calibration_error(label, sure) == pytest.approx(0, abs=1e-7)
    assert calibration_error(label, np.zeros(40, np.float32)) == pytest.approx(0.25)


def test_extreme_logits_are_probabilities_of_0_and_1():
    found = reliability(np.array([0, 1], np.int8), np.array([-1e30, 1e30], np.float32), 2)
    assert found["predicted"].to_list() == [0.0, 1.0]
    assert calibration_error(np.array([1, 0], np.int8), np.array([-1e30, 1e30], np.float32)) == 1.0


def test_no_rows_have_no_bins_and_no_error():
    nothing = np.array([], np.int8), np.array([], np.float32)
    assert reliability(*nothing).height == 0
    assert math.isnan(calibration_error(*nothing))


def test_fewer_rows_than_bins_make_a_bin_each():
    assert reliability(np.array([0, 1, 1], np.int8), np.array([0.0, 1.0, 2.0]))["rows"].to_list() == [1, 1, 1]
