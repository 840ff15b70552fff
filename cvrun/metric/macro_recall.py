"""Mean over the classes of recall, TP / (TP + FN)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._table import macro

TARGETS = ("class", "labels")
MODE = "max"
MIN_CLASSES = 1


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean over the classes that have images, in [0, 1]; NaN without images."""
    return macro("recall", prediction, weights)
