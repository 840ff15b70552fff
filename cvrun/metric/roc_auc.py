"""Area under the ROC curve: of two classes that of the second, of more, and of labels, the mean of each by itself."""

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
    """Give the area, in [0, 1], ties counting half; classes of none or of all images are left out; NaN if all are."""
    area, _ = ranking(prediction, weights)
    return area[:, 1] if prediction.num_classes == 2 and not prediction.several else mean_defined(area)
