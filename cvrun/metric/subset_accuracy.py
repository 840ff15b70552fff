"""Share of the images whose labels are just those that were predicted: exact match."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._counts import weighted_mean
from cvrun.metric._exact import exact

TARGETS = ("labels",)
MODE = "max"
MIN_CLASSES = 1


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the share, in [0, 1]; NaN without images."""
    return weighted_mean(exact(prediction).astype(np.float64), weights)
