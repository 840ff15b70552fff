"""Mean over the classes of the share of their images that is recognized."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._table import macro

MODE = "max"
MIN_CLASSES = 1


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean of the recalls of all classes that have images, in [0, 1]; NaN without images.

    It is the same number as macro_recall, under the name that is usual for imbalanced data.
    """
    return macro("recall", prediction, weights)
