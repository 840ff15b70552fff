"""Share of the images whose most probable class is the true one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._counts import counts, ratio

MODE = "max"
MIN_CLASSES = 1


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the share, in [0, 1]; NaN without images.

    With one class an image it is also the micro-averaged precision, recall and F1, and the recall weighted by support.
    """
    found = counts(prediction, weights)
    return ratio(found.right.sum(axis=1), found.total[:, 0])
