"""Which labels of which images are right, where an image has any number of labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._counts import Counts, counts


def exact(prediction: Prediction) -> NDArray[np.bool_]:
    """Give which images have just the labels that were predicted, bool (N,)."""
    same: NDArray[np.bool_] = prediction.labels == prediction.targets
    return np.all(same, axis=1) if prediction.several else same


def over_all(prediction: Prediction, weights: NDArray[np.float64]) -> Counts:
    """Give the counts summed over labels, float64 (R, 1) each."""
    found = counts(prediction, weights)
    return Counts(*(part.sum(axis=1, keepdims=True) for part in (found.right, found.support, found.predicted)))
