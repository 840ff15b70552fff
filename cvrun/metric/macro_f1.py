"""Mean over the classes of F1, 2 TP / (2 TP + FP + FN)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._table import macro

TARGETS = ("class", "labels")
MODE = "max"
MIN_CLASSES = 1


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean over the classes that occur in truth or prediction, in [0, 1]; NaN without images."""
    return macro("f1", prediction, weights)
