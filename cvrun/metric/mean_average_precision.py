"""mAP: mean over the classes of the area under the precision-recall curve, each class against the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._counts import mean_defined
from cvrun.metric._ranking import ranking

TARGETS = ("class", "labels")
MODE = "max"
MIN_CLASSES = 2


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean over the classes that have images, in [0, 1], without interpolation; NaN without images.

    It is not the mean of precisions at one decision, which is macro_precision.
    """
    return mean_defined(ranking(prediction, weights)[1])
