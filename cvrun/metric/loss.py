"""Mean negative log-probability of the true class, or of each label: cross-entropy, whatever training minimizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._counts import weighted_mean

TARGETS = ("class", "labels")
MODE = "min"
MIN_CLASSES = 1


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean of -log p in float64 [nat]; p is at least float32's smallest normal number, about 1.2e-38.

    Where an image has any number of labels, p is the probability given to each label's being there or not, and the
    mean is one over images and labels.
    """
    smallest = float(np.finfo(np.float32).tiny)
    if prediction.several:
        given = prediction.probabilities.astype(np.float64)
        true = np.where(prediction.targets > 0, given, 1.0 - given)
        return weighted_mean(np.log(1.0 / np.maximum(true, smallest)).mean(axis=1), weights)
    rows = np.arange(len(prediction.targets))
    true = prediction.probabilities[rows, prediction.targets].astype(np.float64)
    return weighted_mean(np.log(1.0 / np.maximum(true, smallest)), weights)
