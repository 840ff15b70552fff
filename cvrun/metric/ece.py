"""Expected calibration error over 15 bins of equal width: how far confidence and accuracy lie apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction
from cvrun.metric._confidence import BINS, bin_of, confidence
from cvrun.metric._counts import ratio, sums

MODE = "min"
MIN_CLASSES = 1


def values(prediction: Prediction, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give sum_b n_b/n |accuracy_b - confidence_b| over the 15 bins of confidence, in [0, 1]; NaN without images.

    Source: C. Guo et al., On calibration of modern neural networks, ICML 2017, equation 3. It depends on the bins and
    is biased upwards where they hold few images.
    """
    sure = confidence(prediction)
    if np.isnan(sure).any():
        return np.full(len(weights), np.nan)
    gap = (prediction.labels == prediction.targets) - sure
    of_bins = sums(bin_of(sure, BINS), weights * gap, BINS)
    return ratio(np.abs(of_bins).sum(axis=1), weights.sum(axis=1))
