"""Share of the images whose true class is among the three most probable ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._top import top_accuracy

MODE = "max"
MIN_CLASSES = 4
TOP = 3


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the share, in [0, 1]; NaN with fewer than three classes or without images.

    Among equal probabilities the lower class index comes first, so the value does not depend on a sort.
    """
    return top_accuracy(TOP, prediction, weights)
