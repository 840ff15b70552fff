"""The confidence of each image, the probability of its predicted class, and the bin that it falls in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvrun.metric import Prediction

BINS = 15
"""Of equal width over [0, 1], as in Guo et al. (2017)."""


def confidence(prediction: Prediction) -> NDArray[np.float64]:
    """Give the highest probability of each image, float64 (N,)."""
    highest: NDArray[np.float64] = prediction.probabilities.max(axis=1).astype(np.float64)
    return highest


def bin_of(values: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """Give the bin b of each value in [0, 1], int64 (N,), 0 <= b < bins: (b/bins, (b+1)/bins]; 0 is in the first."""
    found: NDArray[np.int64] = np.clip(np.ceil(values * bins) - 1, 0, bins - 1).astype(np.int64)
    return found
