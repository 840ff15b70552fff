"""What predictions say about each class; shared by the metrics and the reports."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction


def confusion_matrix(prediction: Prediction) -> NDArray[np.int64]:
    """Give the number of images of each (true, predicted) pair of classes, int64 (K, K); rows are the truth."""
    num_classes = prediction.num_classes
    pairs = prediction.targets * num_classes + prediction.labels
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes).astype(np.int64)


def per_class(prediction: Prediction) -> list[dict[str, Any]]:
    """Give support [images], precision, recall and f1 of each class, in the order of the classes.

    The last three are in [0, 1], or None where undefined: precision of a class that was never predicted, recall of
    one without images, f1 of one that is neither.
    """
    values = [_scores(prediction, name).tolist() for name in ("precision", "recall", "f1")]
    support = np.bincount(prediction.targets, minlength=prediction.num_classes).tolist()
    return [
        {"support": count, "precision": _or_none(p), "recall": _or_none(r), "f1": _or_none(f)}
        for count, p, r, f in zip(support, *values, strict=True)
    ]


def macro(score: str, prediction: Prediction) -> float:
    """Give the mean over the classes of "precision", "recall" or "f1"; undefined values are left out, never 0.

    Returns:
        In [0, 1]; NaN if no class has a value.
    """
    values = _scores(prediction, score)
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else math.nan


def _scores(prediction: Prediction, score: str) -> NDArray[np.float64]:
    """Give the score of each class, float64 (K,), NaN where undefined."""
    matrix = confusion_matrix(prediction)
    right, support, predicted = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    above, below = {
        "precision": (right, predicted),
        "recall": (right, support),
        "f1": (2 * right, support + predicted),
    }[score]
    scores = np.full(len(right), np.nan)
    np.divide(above, below, out=scores, where=below > 0)
    return scores


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
