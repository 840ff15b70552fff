"""Mean of precision, TP / (TP + FP), each class by its share of the images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._table import by_support

TARGETS = ("class", "labels")
MODE = "max"
MIN_CLASSES = 1


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean over the classes that were predicted at all, in [0, 1]; NaN without any image of these.

    Classes that were never predicted are left out with their weights; as 0 they would hide in the mean.
    """
    return by_support("precision", prediction, weights)
