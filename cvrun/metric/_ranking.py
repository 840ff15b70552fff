"""How well the probability of a class puts its images before the others: one class against the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._counts import ratio, sums

_KEPT = 2**22
"""Places that are kept, 8 bytes each; beyond that they are found anew each time."""


def ranking(prediction: Prediction, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the area under the ROC curve and the average precision of each class, both float64 (R, K).

    The first is the chance that an image of the class has the higher probability of it than another, ties counting
    half; NaN where one of the two kinds is absent. The second is sum_i (R_i - R_(i-1)) P_i over the thresholds,
    without interpolation; NaN without images of the class.

    Source: J. A. Hanley and B. J. McNeil, The meaning and use of the area under a ROC curve, Radiology 143 (1982) 29;
    the second as scikit-learn's average_precision_score.
    """
    once = weights is prediction.once
    if once and "ranking" in prediction.kept:
        known: tuple[NDArray[np.float64], NDArray[np.float64]] = prediction.kept["ranking"]
        return known
    area, precision = (np.full((len(weights), prediction.num_classes), np.nan) for _ in range(2))
    keep = prediction.probabilities.size <= _KEPT and not once
    places = prediction.kept.setdefault("places", {}) if keep else {}
    for k in range(prediction.num_classes):
        if k not in places:
            places[k] = _places(prediction, k)
        place, size = places[k]
        if size:
            area[:, k], precision[:, k] = _of_class(sums(place, weights, 2 * size), size)
        if not keep:
            del places[k]
    if once:
        prediction.kept["ranking"] = area, precision
    return area, precision


def _places(prediction: Prediction, k: int) -> tuple[NDArray[np.int64], int]:
    """Give the place of each image, int64 (N,), and the number of places of the images of other classes.

    With the m distinct scores of the images of the class, in rising order, place 2j + 1 is at the j-th of them, and
    place 2j below it but above the one before. The images of the class have places of their own behind all these.
    """
    scores, own = np.ascontiguousarray(prediction.probabilities[:, k]), prediction.targets == k
    if prediction.several:
        own = prediction.targets[:, k] > 0
    if np.isnan(scores).any() or not own.any():
        return np.zeros(0, dtype=np.int64), 0
    steps = np.unique(scores[own])
    size = 2 * len(steps) + 1
    place = np.where(own, size, 0)
    # Most images of other classes lie below all of these: nothing is to be searched for them.
    above = np.flatnonzero(scores >= steps[0])
    passed = np.searchsorted(steps, scores[above])
    at = steps[np.minimum(passed, len(steps) - 1)] == scores[above]
    place[above] += 2 * passed + at
    return place, size


def _of_class(found: NDArray[np.float64], size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give area and average precision (R,) of the sums of weights at the places, (R, 2 size)."""
    others, own = found[:, :size], found[:, size + 1 :: 2]
    below = np.cumsum(others, axis=1)
    rest, whole = below[:, -1], own.sum(axis=1)
    below = below[:, :-1:2]
    area = ratio((own * (below + 0.5 * others[:, 1::2])).sum(axis=1), whole * rest)
    hits = np.cumsum(own[:, ::-1], axis=1)[:, ::-1]
    called = hits + rest[:, None] - below
    precision = np.divide(hits, called, out=np.zeros_like(called), where=called > 0)
    return area, ratio((own * precision).sum(axis=1), whole)
