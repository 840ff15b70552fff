"""Mean over the classes of specificity, TN / (TN + FP), each class against the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._table import macro

TARGETS = ("class", "labels")
MODE = "max"
MIN_CLASSES = 2


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean over the classes that some image is not of, in [0, 1]; NaN without images."""
    return macro("specificity", prediction, weights)
