"""Curves of a report: ROC, precision and recall, reliability, risk and coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._confidence import BINS, bin_of, confidence


@dataclass(frozen=True)
class Curve:
    """Points, each of a threshold at or above which a score counts; thresholds fall.

    Attributes:
        x: float64 (P,), in [0, 1].
        y: float64 (P,), in [0, 1].
        thresholds: float64 (P,); the first may be infinite: nothing counts.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def roc_curve(scores: NDArray[np.floating[Any]], truth: NDArray[np.bool_]) -> Curve | None:
    """Give 1 - specificity (x) and sensitivity (y) from (0, 0) to (1, 1); None where one of the kinds is absent.

    Points on a straight line between others are left out.

    Args:
        scores: Of the positive class, (N,).
        truth: Whether each image is of that class, (N,).
    """
    from sklearn import metrics

    if truth.all() or not truth.any():
        return None
    return Curve(*(np.asarray(part, dtype=np.float64) for part in metrics.roc_curve(truth, scores)))


def pr_curve(scores: NDArray[np.floating[Any]], truth: NDArray[np.bool_]) -> Curve | None:
    """Give recall (x) and precision (y), from few images called positive to all; None without a positive one.

    The first point is (0, 1), which is no threshold's but where scikit-learn begins, and the area by steps is the
    average precision.

    Args:
        scores: Of the positive class, (N,).
        truth: Whether each image is of that class, (N,).
    """
    from sklearn import metrics

    if not truth.any():
        return None
    precision, recall, thresholds = metrics.precision_recall_curve(truth, scores)
    falling = np.append(thresholds.astype(np.float64), np.inf)[::-1]
    return Curve(recall[::-1].astype(np.float64), precision[::-1].astype(np.float64), falling)


def reliability(prediction: Prediction, bins: int = BINS) -> list[dict[str, Any]]:
    """Give a row for each bin of confidence, of equal width: low, high, images, confidence and accuracy.

    Both are means over the bin's images, None in an empty one. Confidence is the probability of the predicted class;
    a bin holds high and not low, but the first holds 0. The mean of their distance, by images, is the ECE.
    """
    sure = confidence(prediction)
    hits = (prediction.labels == prediction.targets).astype(np.float64)
    place = bin_of(sure, bins)
    images, confident, right = (np.bincount(place, own, bins).tolist() for own in (np.ones(len(sure)), sure, hits))
    return [
        {
            "low": b / bins,
            "high": (b + 1) / bins,
            "images": int(images[b]),
            "confidence": confident[b] / images[b] if images[b] else None,
            "accuracy": right[b] / images[b] if images[b] else None,
        }
        for b in range(bins)
    ]


def risk_coverage(prediction: Prediction) -> Curve:
    """Give the share of images that are decided (x) and the share of errors among them (y), by least confidence.

    A point for each confidence that occurs; the last is at coverage 1 with the error of the split. No points without
    images.

    Source: R. El-Yaniv and Y. Wiener, On the foundations of noise-free selective classification, Journal of Machine
    Learning Research 11 (2010) 1605.
    """
    sure = confidence(prediction)
    order = np.argsort(-sure, kind="stable")
    wrong = np.cumsum((prediction.labels != prediction.targets)[order])
    falling = sure[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True)) if len(falling) else np.zeros(0, dtype=np.int64)
    return Curve((last + 1) / max(len(sure), 1), wrong[last] / (last + 1), falling[last])
