"""What predictions say about each class; shared by the metrics and the reports."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._counts import Counts, counts, mean_defined, ratio
from cvrun.metric._ranking import ranking

MEANS = {
    "balanced_accuracy": "recall",
    "macro_f05": "f05",
    "macro_f1": "f1",
    "macro_f2": "f2",
    "macro_npv": "npv",
    "macro_precision": "precision",
    "macro_recall": "recall",
    "macro_specificity": "specificity",
    "mean_average_precision": "average_precision",
    "roc_auc": "roc_auc",
    "weighted_f1": "f1",
    "weighted_precision": "precision",
}
"""Metric -> the score of each class whose mean it is."""


def confusion_matrix(prediction: Prediction) -> NDArray[np.int64]:
    """Give the number of images of each (true, predicted) pair of classes, int64 (K, K); rows are the truth."""
    num_classes = prediction.num_classes
    pairs = prediction.targets * num_classes + prediction.labels
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes).astype(np.int64)


def two_by_two(prediction: Prediction) -> list[list[list[int]]]:
    """Give for each label [[TN, FP], [FN, TP]], in images; rows are the truth."""
    found = counts(prediction, prediction.once)
    right, support, predicted = (part[0].astype(np.int64) for part in (found.right, found.support, found.predicted))
    others = len(prediction.targets) - support - predicted + right
    table = np.stack((others, predicted - right, support - right, right), axis=1).reshape(-1, 2, 2)
    whole: list[list[list[int]]] = table.tolist()
    return whole


def per_class(prediction: Prediction) -> list[dict[str, Any]]:
    """Give support [images] and scores of each class against the rest, in the order of the classes; None: undefined.

    precision TP / (TP + FP), recall TP / (TP + FN), f1 2 TP / (2 TP + FP + FN), specificity TN / (TN + FP) and npv
    TN / (TN + FN) are in [0, 1]; lr_positive, recall / (1 - specificity), and lr_negative, (1 - recall) / specificity,
    are likelihood ratios, >= 0; roc_auc and average_precision are in [0, 1].
    """
    found = counts(prediction, prediction.once)
    area, precision = ranking(prediction, prediction.once)
    names = ("precision", "recall", "f1", "specificity", "npv", "lr_positive", "lr_negative")
    columns = {name: class_scores(name, found)[0].tolist() for name in names}
    columns |= {"roc_auc": area[0].tolist(), "average_precision": precision[0].tolist()}
    support = found.support[0].astype(np.int64).tolist()
    return [
        {"support": images, **{name: or_none(column[k]) for name, column in columns.items()}}
        for k, images in enumerate(support)
    ]


def undefined(prediction: Prediction) -> dict[str, int]:
    """Give how many classes have no value and are left out of a mean over them: metric -> number, where there are."""
    found = counts(prediction, prediction.once)
    area, precision = ranking(prediction, prediction.once)
    binary = prediction.num_classes == 2 and not prediction.several
    own = {"roc_auc": area[:, 1:] if binary else area, "average_precision": precision}
    missing = {
        name: int(np.isnan(own[score] if score in own else class_scores(score, found)).sum())
        for name, score in MEANS.items()
        if not (prediction.several and name == "balanced_accuracy")
    }
    return {name: number for name, number in missing.items() if number}


def macro(score: str, prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean over the classes of a score of class_scores, float64 (R,); undefined ones are left out, never 0.

    Returns:
        NaN if no class has a value.
    """
    return mean_defined(class_scores(score, counts(prediction, weights)))


def by_support(score: str, prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean of a score of class_scores, each class by its images, float64 (R,).

    Returns:
        NaN if no class with images has a value; classes without one are left out, and so are their images.
    """
    found = counts(prediction, weights)
    scores = class_scores(score, found)
    defined = ~np.isnan(scores)
    above = (np.where(defined, scores, 0.0) * found.support).sum(axis=1)
    return ratio(above, (defined * found.support).sum(axis=1))


def class_scores(score: str, found: Counts) -> NDArray[np.float64]:
    """Give a score that follows from the counts of each class, float64 (R, K), NaN where undefined."""
    right, support, predicted, total = found.right, found.support, found.predicted, found.total
    without, others = total - support, total - support - predicted + right
    above, below = {
        "precision": (right, predicted),
        "recall": (right, support),
        "f1": (2 * right, support + predicted),
        "f2": (5 * right, 4 * support + predicted),
        "f05": (5 * right, support + 4 * predicted),
        "specificity": (others, without),
        "npv": (others, total - predicted),
        "lr_positive": (right * without, (predicted - right) * support),
        "lr_negative": ((support - right) * without, others * support),
    }[score]
    return ratio(above, below)


def or_none(value: float) -> float | None:
    """Give a value for a file of JSON, where NaN is None."""
    return None if np.isnan(value) else value
