"""Mean of F1, 2 TP / (2 TP + FP + FN), each class by its share of the images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._table import by_support

TARGETS = ("class", "labels")
MODE = "max"
MIN_CLASSES = 1


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean, in [0, 1]; NaN without images."""
    return by_support("f1", prediction, weights)
