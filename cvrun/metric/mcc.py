"""Matthews' correlation coefficient of truth and prediction, for any number of classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._counts import counts

MODE = "max"
MIN_CLASSES = 2


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the coefficient, in [-1, 1]; 0 where truth or prediction has one class only, NaN without images.

    Source: J. Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient, Computational
    Biology and Chemistry 28 (2004) 367, equation 8.
    """
    found = counts(prediction, weights)
    total = found.total[:, 0]
    shared = total * found.right.sum(axis=1) - (found.support * found.predicted).sum(axis=1)
    of_truth = total**2 - (found.support**2).sum(axis=1)
    of_prediction = total**2 - (found.predicted**2).sum(axis=1)
    scale = np.sqrt(of_truth) * np.sqrt(of_prediction)
    coefficient = np.divide(shared, scale, out=np.zeros(len(total)), where=scale > 0)
    return np.where(total > 0, coefficient, np.nan)
