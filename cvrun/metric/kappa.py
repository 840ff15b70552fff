"""Cohen's kappa: how far truth and prediction agree beyond what chance would give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._counts import counts, ratio

MODE = "max"
MIN_CLASSES = 2


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give (observed - expected) / (1 - expected), in [-1, 1]; NaN where chance alone agrees always, as in one class.

    Source: J. Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20
    (1960) 37, equation 1.
    """
    found = counts(prediction, weights)
    total = found.total[:, 0]
    by_chance = (found.support * found.predicted).sum(axis=1)
    return ratio(total * found.right.sum(axis=1) - by_chance, total**2 - by_chance)
