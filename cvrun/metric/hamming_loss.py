"""Hamming loss: share of wrong answers among all pairs of an image and a label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._counts import weighted_mean

TARGETS = ("labels",)
MODE = "min"
MIN_CLASSES = 1


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the share, in [0, 1]; NaN without images. Of one class an image it is the share of wrong images."""
    wrong = (prediction.labels != prediction.targets).astype(np.float64)
    return weighted_mean(wrong.mean(axis=1) if prediction.several else wrong, weights)
