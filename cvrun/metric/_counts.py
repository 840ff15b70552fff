"""How often each class was true, was predicted and was both: all that most metrics need of a confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction


@dataclass(frozen=True)
class Counts:
    """Sums of weights for each resample and class, float64 (R, K).

    Attributes:
        right: True positives of each class against the rest: the diagonal of the confusion matrix.
        support: Images of the class: the sums of its rows.
        predicted: Images that were given the class: the sums of its columns.
        images: The sum of all weights, (R, 1), where an image has any number of classes; None: it has one.
    """

    right: NDArray[np.float64]
    support: NDArray[np.float64]
    predicted: NDArray[np.float64]
    images: NDArray[np.float64] | None = None

    @property
    def total(self) -> NDArray[np.float64]:
        """The sum of all weights, float64 (R, 1)."""
        if self.images is not None:
            return self.images
        whole: NDArray[np.float64] = self.support.sum(axis=1, keepdims=True)
        return whole


def counts(prediction: Prediction, weights: NDArray[np.float64]) -> Counts:
    """Give the counts under weights, float64 (R, N), which nobody changes meanwhile; sums of whole numbers are exact.

    Those of the last weights are kept: most metrics are made of them.
    """
    kept = "counts once" if weights is prediction.once else "counts"
    if kept in prediction.kept and prediction.kept[kept][0] is weights:
        known: Counts = prediction.kept[kept][1]
        return known
    if prediction.several:
        found = _of_labels(prediction, weights)
        prediction.kept[kept] = weights, found
        return found
    size, hits = prediction.num_classes, prediction.labels == prediction.targets
    found = Counts(
        sums(prediction.targets[hits], weights[:, hits], size),
        sums(prediction.targets, weights, size),
        sums(prediction.labels, weights, size),
    )
    prediction.kept[kept] = weights, found
    return found


def _of_labels(prediction: Prediction, weights: NDArray[np.float64]) -> Counts:
    given, true = prediction.labels, prediction.targets
    right, support, predicted = (weights @ part.astype(np.float64) for part in (given & true, true, given))
    return Counts(right, support, predicted, weights.sum(axis=1, keepdims=True))


def ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give above / below, float64; NaN where below is 0."""
    above, below = np.broadcast_arrays(above, below)
    found = np.full(above.shape, np.nan)
    np.divide(above, below, out=found, where=below != 0)
    return found


def weighted_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean of values (N,) for each row of weights (R, N), float64 (R,); NaN where a row sums to 0."""
    return ratio((weights * values).sum(axis=1), weights.sum(axis=1))


def mean_defined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean over classes of values (R, K) that are not NaN, float64 (R,); NaN where all are.

    It has the bits of the mean of just those numbers, which a sum with zeros in between would not.
    """
    defined = ~np.isnan(values)
    found = ratio(values.sum(axis=1), np.where(defined.all(axis=1), values.shape[1], 0.0))
    for row in np.flatnonzero(defined.any(axis=1) & ~defined.all(axis=1)):
        found[row] = values[row, defined[row]].mean()
    return found


def sums(places: NDArray[np.int64], weights: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Give the sum of the weights at each place, float64 (R, size)."""
    found = np.zeros((len(weights), size))
    for row, own in zip(found, weights, strict=True):
        row[:] = np.bincount(places, weights=own, minlength=size)
    return found
