"""F1, 2 TP / (2 TP + FP + FN), of all labels of all images together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._exact import over_all
from cvrun.metric._table import class_scores

TARGETS = ("labels",)
MODE = "max"
MIN_CLASSES = 1


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give it, in [0, 1]; NaN where no image has a label and none is predicted."""
    return class_scores("f1", over_all(prediction, weights))[:, 0]
