"""Mean over the classes of F2, 5 TP / (5 TP + 4 FN + FP), where recall counts for more than precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._table import macro

TARGETS = ("class", "labels")
MODE = "max"
MIN_CLASSES = 1


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean over the classes that occur in truth or prediction, in [0, 1]; NaN without images.

    Source: C. J. van Rijsbergen, Information Retrieval (1979), chapter 7: (1 + b^2) P R / (b^2 P + R), b = 2.
    """
    return macro("f2", prediction, weights)
