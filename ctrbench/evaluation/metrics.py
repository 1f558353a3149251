"""Metrics of predicted click probabilities."""

from __future__ import annotations

import math

import numpy as np


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve; ties count one half. NaN where there is only one class."""
    from sklearn.metrics import roc_auc_score

    if len(np.unique(label)) < 2:
        return math.nan
    return float(roc_auc_score(label, score))


def logloss(label: np.ndarray, logit: np.ndarray) -> float:
    """Mean binary cross-entropy in nats, from logits; NaN without rows."""
    if not len(label):
        return math.nan
    logit = logit.astype(np.float64)
    return float(np.mean(np.logaddexp(0.0, logit) - label * logit))
