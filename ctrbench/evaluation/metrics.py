"""Metrics of predicted click probabilities."""

from __future__ import annotations

import math

import numpy as np

_AT_ONCE = 2**18  # positive rows that are compared with all negative ones


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive row is above a negative one; ties count one half.

    NaN where there is only one class. It counts in integers, and takes 7 bytes a row of float32 beside its arguments;
    scikit-learn's, at the same speed, takes 63.
    """
    negative, positive = np.sort(score[label == 0]), score[label != 0]
    if not len(negative) or not len(positive):
        return math.nan
    halves = 0
    for start in range(0, len(positive), _AT_ONCE):
        some = positive[start : start + _AT_ONCE]
        halves += sum(int(np.searchsorted(negative, some, side).sum()) for side in ("left", "right"))
    return halves / (2 * len(positive) * len(negative))


def logloss(label: np.ndarray, logit: np.ndarray) -> float:
    """Mean binary cross-entropy in nats, from logits; NaN without rows."""
    if not len(label):
        return math.nan
    logit = logit.astype(np.float64)
    return float(np.mean(np.logaddexp(0.0, logit) - label * logit))
