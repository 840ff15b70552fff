"""What predictions say about each class; shared by the metrics and the reports."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._counts import Counts, counts, mean_defined, ratio

COUNTED = ("precision", "recall", "f1", "specificity", "npv")
"""Scores of a class that follow from its counts against the rest."""


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
    found = counts(prediction, prediction.once)
    values = [class_scores(name, found)[0].tolist() for name in ("precision", "recall", "f1")]
    support = np.bincount(prediction.targets, minlength=prediction.num_classes).tolist()
    return [
        {"support": count, "precision": or_none(p), "recall": or_none(r), "f1": or_none(f)}
        for count, p, r, f in zip(support, *values, strict=True)
    ]


def macro(score: str, prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean over the classes of a score of COUNTED, float64 (R,); undefined ones are left out, never 0.

    Returns:
        In [0, 1]; NaN if no class has a value.
    """
    return mean_defined(class_scores(score, counts(prediction, weights)))


def class_scores(score: str, found: Counts) -> NDArray[np.float64]:
    """Give a score of COUNTED of each class, float64 (R, K), NaN where undefined."""
    right, support, predicted, total = found.right, found.support, found.predicted, found.total
    others = total - support - predicted + right
    above, below = {
        "precision": (right, predicted),
        "recall": (right, support),
        "f1": (2 * right, support + predicted),
        "specificity": (others, total - support),
        "npv": (others, total - predicted),
    }[score]
    return ratio(above, below)


def or_none(value: float) -> float | None:
    """Give a value for a file of JSON, where NaN is None."""
    return None if np.isnan(value) else value
